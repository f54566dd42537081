/**
 * What the REST API and the websockets send, as far as the pages read it. The same payloads are
 * defined for the server in the `payloads.py` of each app and in docs/api.md.
 */

export type Decision = "match" | "unknown" | "ambiguous";
/** `pending`: the stream has not seen the face often enough yet. */
export type LiveDecision = Decision | "pending";

/** x, y, width, height in pixels of the upright picture. */
export type Box = [number, number, number, number];
/** Width and height in pixels. */
export type Size = [number, number];

/** A row that another row refers to. */
export interface Named {
  id: string;
  name: string;
}

export interface NamedPerson extends Named {
  labels: string[];
}

/* REST */

export interface ErrorBody {
  code?: string;
  message?: string;
  details?: object;
}

/** One page of a list. */
export interface Page<Row> {
  results: Row[];
  /** Address of the page after it. */
  next: string | null;
}

export interface Me {
  name: string;
  scopes: string[];
}

export type Collection = Named;

export interface Camera extends Named {
  kind: string;
  is_enabled: boolean;
}

/** One picture of a camera that is not saved, or why there is none. */
export interface CameraTest {
  is_playable: boolean;
  message: string;
  picture: string | null;
  size: Size | null;
  took_ms: number;
}

/** Where in a picture faces count: polygons of points, each 0 to 1 of width and height. */
export interface Areas {
  watch: [number, number][][];
  ignore: [number, number][][];
}

export interface CameraDetail extends Camera {
  status: string;
  status_message: string;
  status_since: string;
  areas: Areas;
}

/** How a camera did in about a minute until `at`. */
export interface CameraMinute {
  at: string;
  frames: number;
  fps: number;
  dropped: number;
  /** By stage. */
  timing_ms: Record<string, { p50: number; p95: number }>;
}

export interface Person extends NamedPerson {
  external_id: string | null;
}

export interface Quality {
  score: number;
  size_px: number;
  /** Number of these pixels that show real detail. */
  detail_px: number;
  sharpness: number;
  noise: number;
  blocking: number;
  covered: number;
  brightness: number;
  /** Degrees, like pitch and roll. */
  yaw: number;
  pitch: number;
  roll: number;
  reasons: string[];
}

export interface Face {
  box: Box;
  landmarks: [number, number][];
  score: number;
  quality: Quality | null;
}

/** Similarity of a face to the most similar person; null if nobody is enrolled. */
export interface Score {
  decision: LiveDecision;
  similarity: number | null;
  threshold: number;
}

export interface Candidate {
  person: Person;
  similarity: number;
  /** Id of the most similar stored image. */
  image: string | null;
}

/** A face in the answer of `identify`. */
export interface IdentifiedFace extends Face, Score {
  decision: Decision;
  person: Person | null;
  false_match_rate: number | null;
  candidates: Candidate[];
}

/** Milliseconds of each stage, and their `total`. */
export type Timing = Record<string, number>;

export interface IdentifyAnswer {
  size: Size;
  collection: string;
  faces: IdentifiedFace[];
  model: string;
  threshold: number;
  timing_ms: Timing;
}

export interface VerifyAnswer extends Score {
  decision: Decision;
  false_match_rate: number | null;
  face: Face;
  other_face: Face;
}

/** The import of an archive, or a recording; size and received are bytes, null after the file is deleted. */
export interface Sendable extends Named {
  state: "uploading" | "started" | "over";
  size: number | null;
  received: number | null;
}

/** One visit of one person. */
export interface Visit {
  id: string;
  collection: string;
  camera: Named | null;
  person: NamedPerson | null;
  decision: Decision;
  similarity: number | null;
  threshold: number;
  /** The version that decided: name@hash. */
  model: string | null;
  started_at: string;
  ended_at: string;
  is_open: boolean;
  review: "none" | "confirmed" | "rejected";
  face_url: string | null;
  snapshot_url: string | null;
  clip: Clip | null;
}

/** The video of a visit. */
export interface Clip {
  /** The same for visits that began together. */
  id: string;
  state: "recording" | "ready" | "lost";
  /** Why it was lost. */
  message: string;
  url: string | null;
  seconds: number;
  codec: string;
  bytes: number;
  is_playable: boolean;
}

export type JobState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  id: string;
  state: JobState;
  /** 0 to 1. */
  progress: number;
  message: string;
  /** Attempts so far. */
  attempts: number;
}

/** The answer for one job, with fields that lists and the socket leave out. */
export interface JobDetail extends Job {
  log: string;
}

/** A point of the curve of a training run; null if the training diverged. */
export interface CurvePoint {
  step: number;
  loss: number | null;
  auc: number | null;
  accuracy: number | null;
}

export interface TrainingRun {
  state: "open" | "done" | "failed" | "cancelled";
  people: number;
  pictures: number;
  step: number;
  steps: number;
  curve: CurvePoint[];
}

/** `/health/ready` */
export interface Readiness {
  parts?: { engine?: string };
}

/* Websockets */

/** A visit, and what happened to it. */
export interface VisitChange extends Visit {
  kind: "opened" | "updated" | "closed";
}

/** The data of a deleted visit. */
export interface VisitDeleted {
  id: string;
  collection: string;
  kind: "deleted";
}

/** A message of the feed, `/ws/events/`. */
export interface FeedMessage {
  type: "event";
  event: VisitChange | VisitDeleted;
}

/** A message of `/ws/jobs/`, sent each time a job changes. */
export interface JobMessage {
  type: "job";
  job: Job;
}

/** A message of a stream about a visit that it opened. */
export interface VisitMessage {
  type: "event";
  event: VisitChange;
}

/** A face in a frame of a stream. */
export interface LiveFace extends Face, Score {
  track: number;
  person: NamedPerson | null;
  /** Id of the visit, after it is written. */
  event: string | null;
}

export interface FacesMessage {
  type: "faces";
  frame: number;
  size: Size;
  /** The version that recognises now. */
  model?: string;
  faces: LiveFace[];
  timing_ms?: Timing;
  dropped?: number;
  /** There are no faces, and the picture is too dark to show any. */
  too_dark?: boolean;
}

/** The state of the engine before a session starts, or of the watched camera. */
export interface StatusMessage {
  type: "status";
  state: string;
  message: string;
}

export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  /** The frame that failed; missing if the session failed. */
  frame?: number;
}

export interface SessionStarted {
  type: "session.started";
  session: string;
  model: string;
  device: string;
}

/** The messages of a stream: `/ws/live/` and `/ws/cameras/<id>/`. */
export type StreamMessage = SessionStarted | FacesMessage | VisitMessage | StatusMessage | ErrorMessage;

/** The collection for recognition, and the camera under which visits are stored. */
export interface SessionOptions {
  collection: string | null;
  camera: string | null;
  options: { min_face_px?: number; max_fps?: number };
}

/* What the parts of the pages tell each other */

/** Why a socket does not reconnect. */
export interface Refusal {
  text: string;
  isSignedOut: boolean;
}

/** The events of both kinds of streams for the page. */
export interface StreamListeners {
  /** Connected; the first answer will come soon. */
  live(): void;
  event(event: VisitChange): void;
  /** One frame failed, or the session failed and is tried again. */
  problem(message: ErrorMessage): void;
  /** It is reconnecting. */
  lost(): void;
  /** It will not reconnect. */
  refused(refusal: Refusal): void;
  /** The state of the engine or of the camera, while no picture comes. */
  status(message: StatusMessage): void;
}
