/** The cameras of this device, and words for what can go wrong with them. */

import { messageOf } from "../web/api.js";

/** @import { ICONS } from "../web/element.js" */
/** @typedef {{id: string, label: string}} DeviceCamera */
/** @typedef {{icon: keyof typeof ICONS, title: string, text: string, canRetry?: boolean}} Problem */

const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };

/** @type {DeviceCamera} */
export const ANY_CAMERA = { id: "", label: "Camera of this device" };

/** Why there is no picture. `canRetry` offers a button. */
export class CameraProblem extends Error {
  /** @param {Problem} problem */
  constructor({ icon, title, text, canRetry = true }) {
    super(text);
    this.icon = icon;
    this.title = title;
    this.canRetry = canRetry;
  }
}

/** Browsers hide cameras from pages that came over plain http from another machine. */
export function camerasAreHidden() {
  return !navigator.mediaDevices?.getUserMedia;
}

/**
 * Empty if there are none; ids and names come with the permission.
 *
 * @returns {Promise<DeviceCamera[]>}
 */
export async function listCameras() {
  if (camerasAreHidden()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  const cameras = devices.filter((device) => device.kind === "videoinput");
  if (!cameras.some((device) => device.deviceId)) return cameras.slice(0, 1).map(() => ANY_CAMERA);
  return cameras.map((device, index) => ({
    id: device.deviceId,
    label: device.label || `Camera ${index + 1}`,
  }));
}

/**
 * Ask for a camera (any, if `id` is empty); throws CameraProblem.
 *
 * @param {string} id
 * @returns {Promise<MediaStream>}
 */
export async function openCamera(id) {
  if (camerasAreHidden()) throw hiddenProblem();
  try {
    return await getVideo(id ? { ...PICTURE, deviceId: { exact: id } } : { ...PICTURE, facingMode: "user" });
  } catch (error) {
    // The chosen one may have been unplugged since: take whichever there is.
    if (id && ["OverconstrainedError", "NotFoundError"].includes(nameOf(error))) return openCamera("");
    throw problemOf(error);
  }
}

/**
 * Tells when the permission changes; browsers that cannot say so never call back.
 *
 * @param {() => void} callback
 */
export async function onPermissionGranted(callback) {
  try {
    const permission = await navigator.permissions.query({ name: "camera" });
    permission.onchange = () => {
      if (permission.state === "granted") callback();
    };
  } catch {
    // Not every browser lets pages ask for this one.
  }
}

/** @param {MediaTrackConstraints} video */
function getVideo(video) {
  return navigator.mediaDevices.getUserMedia({ video, audio: false });
}

function hiddenProblem() {
  return new CameraProblem({
    icon: "lock",
    title: "The camera needs a safe address",
    text: `Browsers give a camera to localhost and to https pages only, and this page came from ${location.origin}. Start the server with HTTPS=1 and open https://${location.host}, or choose a camera of the server.`,
    canRetry: false,
  });
}

/** @param {unknown} error */
function nameOf(error) {
  return error instanceof Error ? error.name : "";
}

/** @param {unknown} error */
function problemOf(error) {
  switch (nameOf(error)) {
    case "NotAllowedError":
    case "SecurityError":
      return new CameraProblem({
        icon: "noCamera",
        title: "The camera is blocked",
        text: "The browser was not allowed to use the camera. Click the camera sign or the lock in the address bar, allow it for this page, and try again.",
      });
    case "NotFoundError":
    case "OverconstrainedError":
      return new CameraProblem({
        icon: "noCamera",
        title: "No camera was found",
        text: "Plug one in or switch it on, then try again. The server's own cameras, if there are any, are in the list below.",
      });
    case "NotReadableError":
    case "AbortError":
      return new CameraProblem({
        icon: "camera",
        title: "The camera is in use",
        text: "Another program or tab holds it, perhaps a video call. Close it, then try again.",
      });
    default:
      return new CameraProblem({
        icon: "warning",
        title: "The camera does not start",
        text: `The browser says: ${messageOf(error) || nameOf(error)}`,
      });
  }
}
