/** The colour of paint as red, green and blue, 0 to 255: `--stroke` of tokens.css, for what a canvas draws. */
export const INK = /** @type {const} */ ([10, 132, 255]);
