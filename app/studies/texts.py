"""The texts that participants read when a study brings none of its own. Markdown.

Instructions are read in every arm, below the steps, which the page itself lists arm by arm: so they say
nothing of what one arm does and another does not.
"""

from typing import Final

CONSENT: Final = """\
## Taking part in this study

We invite you to take part in a research study. We study how people tell photographs of real faces from
faces that a computer made. Please read this page before you decide.

**What you will do.** You will see pairs of faces. In each pair, one face is a photograph of a real person
and the other was made by a computer. You say which is which. We may also ask you to paint the parts of a
face that led you to your answer. You need no preparation and no special knowledge.

**What we record.** We record your answers, how long they took, what you paint and when, and technical facts
about your browser and screen. To tell people from programs, we count presses and moves of the mouse, and
how often text is pasted into an answer. We also measure how evenly keys are pressed. We keep only these
numbers. We do not ask for your name, and we do not use your camera or microphone. If you come from a
recruitment service, we keep your worker ID apart from your answers. We use it only to pay you and to avoid
inviting you twice.

**What we do with it.** We store your answers under a random number. We use them for research on human
perception and on the automatic detection of generated images. We may publish results and anonymous data,
and share them with other researchers.

**Risks and benefits.** We know of no risks beyond those of looking at pictures of faces on a screen. Apart
from the payment that was announced, if any, there is no direct benefit to you.

**Your choice.** Taking part is voluntary. You may stop at any time without giving a reason: close the page,
or press “Leave” to have your answers deleted. You may also ask the researchers who invited you to delete
your answers later. Tell them the reference that is shown at the end. If you have a question about the
study, please write to them.

By continuing you confirm that you are at least 18 years old, have read and understood this page, and agree
to take part.
"""

INSTRUCTIONS: Final = """\
Every pair has exactly one right answer. Either face can be the fake one. Look as closely as you like: there
is no time limit. Some pairs are hard. If you are unsure, choose the face that seems more likely. A careful
guess is a good answer.

Please use a screen on which you can see the faces well. Please work without help from other people or from
programs. Every answer is saved at once. If you are interrupted, open the same link again and continue where
you stopped.
"""
