/**
 * Says what is wrong when the page's program cannot start. Browsers that are too old for the program read this
 * file, so it is written for them.
 */
(function () {
  "use strict";

  var trouble = "";

  function show() {
    var isRunning = document.documentElement.hasAttribute("data-started");
    /** @type {NodeListOf<HTMLElement>} */
    var parts = document.querySelectorAll("[data-trouble]");
    var loading = document.getElementById("loading-work");
    Array.prototype.forEach.call(parts, function (part) {
      part.hidden = isRunning || part.getAttribute("data-trouble") !== trouble;
    });
    if (loading) loading.hidden = trouble !== "" && !isRunning;
  }

  /** The first trouble is the cause of those that follow. @param {string} name */
  function note(name) {
    trouble = trouble || name;
    show();
  }

  /** @param {ErrorEvent} event */
  function onError(event) {
    if (event.target instanceof HTMLScriptElement) note("lost");
    else if (event.error) note(event.error instanceof SyntaxError ? "old" : "broken");
  }

  if (!("noModule" in document.createElement("script"))) trouble = "old";
  window.addEventListener("error", onError, true); // what does not load tells nobody above it
  window.addEventListener("unhandledrejection", function () {
    note("broken");
  });
  document.addEventListener("DOMContentLoaded", show);
})();
