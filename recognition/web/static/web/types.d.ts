/**
 * What the REST API and the websockets send, as far as the pages read it. The same payloads are
 * defined for the server in the `payloads.py` of each app and in docs/api.md.
 */

export type Decision = "match" | "unknown" | "ambiguous";
/** `pending`: a stream has not looked long enough yet. */
export type LiveDecision = Decision | "pending";

/** x, y, width, height in pixels of the upright picture. */
export type Box = [number, number, number, number];
/** Width and height in pixels. */
export type Size = [number, number];

/** A row that is named in another one. */
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

/** A list: one page of it. */
export interface Page<Row> {
  results: Row[];
}

export interface Me {
  scopes: string[];
}

export type Collection = Named;

export interface Camera extends Named {
  kind: string;
  is_enabled: boolean;
}

export interface Person extends NamedPerson {
  external_id: string | null;
}

export interface Quality {
  score: number;
  size_px: number;
  /** How many of these pixels show something of their own. */
  detail_px: number;
  sharpness: number;
  noise: number;
  blocking: number;
  covered: number;
  brightness: number;
  /** Degrees, as pitch and roll. */
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

/** How alike a face is to the nearest person; no similarity if there is no one to compare with. */
export interface Score {
  decision: LiveDecision;
  similarity: number | null;
  threshold: number;
}

export interface Candidate {
  person: Person;
  similarity: number;
  /** Id of the stored image that is nearest. */
  image: string | null;
}

/** A face with its answer, of `identify`. */
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

/** An archive that is enrolled; size and received in bytes, while it is kept. */
export interface ImportRun extends Named {
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
  started_at: string;
  ended_at: string;
  is_open: boolean;
  review: "none" | "confirmed" | "rejected";
  face_url: string | null;
}

export type JobState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  id: string;
  state: JobState;
  /** 0 to 1. */
  progress: number;
  message: string;
  /** Begun so far. */
  attempts: number;
}

/** What one job alone tells: lists and the socket leave it out. */
export interface JobDetail extends Job {
  log: string;
}

/** `/health/ready` */
export interface Readiness {
  parts?: { engine?: string };
}

/* Websockets */

/** A visit with what happened to it. */
export interface VisitChange extends Visit {
  kind: "opened" | "updated" | "closed";
}

/** Of a deleted visit only this is told. */
export interface VisitDeleted {
  id: string;
  collection: string;
  kind: "deleted";
}

/** Of the feed, `/ws/events/`. */
export interface FeedMessage {
  type: "event";
  event: VisitChange | VisitDeleted;
}

/** Of `/ws/jobs/`, each time that a job gets on. */
export interface JobMessage {
  type: "job";
  job: Job;
}

/** Of a stream: a visit that it opened. */
export interface VisitMessage {
  type: "event";
  event: VisitChange;
}

/** A face in a frame of a stream. */
export interface LiveFace extends Face, Score {
  track: number;
  person: NamedPerson | null;
  /** Id of the visit, once it is written. */
  event: string | null;
}

export interface FacesMessage {
  type: "faces";
  frame: number;
  size: Size;
  faces: LiveFace[];
  timing_ms?: Timing;
  dropped?: number;
  /** There are no faces, and the picture is too dark to show any. */
  too_dark?: boolean;
}

/** Of the engine before a session starts, or of the camera that is watched. */
export interface StatusMessage {
  type: "status";
  state: string;
  message: string;
}

export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  /** The frame that failed; absent if the session did. */
  frame?: number;
}

export interface SessionStarted {
  type: "session.started";
  session: string;
  model: string;
  device: string;
}

/** What a stream sends: `/ws/live/` and `/ws/cameras/<id>/`. */
export type StreamMessage = SessionStarted | FacesMessage | VisitMessage | StatusMessage | ErrorMessage;

/** What a stream is compared with and filed under. */
export interface SessionOptions {
  collection: string | null;
  camera: string | null;
  options: { min_face_px?: number; max_fps?: number };
}

/* What the parts of the pages tell each other */

/** Why a socket does not come back. */
export interface Refusal {
  text: string;
  isSignedOut: boolean;
}

/** What both streams tell the page. */
export interface StreamListeners {
  /** Connected; the first answer comes soon. */
  live(): void;
  event(event: VisitChange): void;
  /** One frame failed, or the session did and is tried again. */
  problem(message: ErrorMessage): void;
  /** It reconnects. */
  lost(): void;
  /** It does not. */
  refused(refusal: Refusal): void;
  /** Of the engine, or of the camera: told while no picture comes. */
  status(message: StatusMessage): void;
}
