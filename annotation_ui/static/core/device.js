/**
 * Whether a browser can show a study.
 *
 * @import { DeviceFacts } from "../../page.d.ts"
 * @import { DeviceNeeds } from "../../participant.d.ts"
 */

/**
 * What is in the way, in the order in which the page says it; empty when the device will do.
 *
 * @param {DeviceFacts} facts @param {DeviceNeeds} needs @returns {("window" | "pointer" | "images")[]}
 */
export function obstacles({ width, height, pointer, images_load }, { min_width, min_height, touch }) {
  /** @type {("window" | "pointer" | "images")[]} */
  const found = [];
  if (width < min_width || height < min_height) found.push("window");
  if (!touch && pointer !== "fine") found.push("pointer");
  if (!images_load) found.push("images");
  return found;
}
