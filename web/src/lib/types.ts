// SPDX-License-Identifier: Apache-2.0
// What the server's API under /v1 sends and takes. Frames count from 0, times are seconds, boxes and
// landmarks are pixels of the frame. Options of tasks are not here: see src/generated and schema.ts.

import type { Kept } from './edit';
import type { MaskPolygon } from './polygons';

export interface Session {
  csrf: string;
  version: string;
  project: string | null;
  /** Other machines may ask: the session began with a password and can be ended. */
  password: boolean;
}

export interface ProjectRow {
  id: string;
  name: string;
  path: string;
  exists: boolean;
  size_bytes: number;
  opened_at: string | number | null;
}

export interface Disk {
  media: number;
  facesets: number;
  models: number;
  outputs: number;
  trash: number;
  work: number;
  total: number;
  free: number;
}

export interface Project {
  id: string;
  name: string;
  path: string;
  disk: Disk;
  counts: Record<string, number>;
}

export type SubjectKind = 'synthetic' | 'licensed' | 'person';
export interface Subject {
  name: string;
  kind: SubjectKind;
  licence: string;
  faces: number;
  consent?: { state: string; text: string };
}

export interface Media {
  id: number;
  name: string;
  path: string;
  bytes: number;
  width: number;
  height: number;
  fps: number;
  frames: number;
  duration_s: number;
  codec: string;
  audio: boolean;
  playable: boolean;
  still?: boolean;
  /** The file is gone; `why` says so. */
  missing?: boolean;
  why?: string;
  analysed: boolean;
  faces: number;
  tracks: number;
  damage: unknown[];
}

export interface Track {
  track: number;
  first: number;
  last: number;
  cluster: number;
  subject: string | null;
  face_frame: number;
  faces: number;
}

export type Point = [number, number];
export interface FaceRow {
  frame: number;
  track: number;
  face: number;
  box: [number, number, number, number];
  score: number;
  yaw_rad: number;
  pitch_rad: number;
  roll_rad: number;
  landmarks: Point[];
  /** Pixels of the frame -> unit square of the aligned face, as in lib/polygons. */
  face_from_frame?: number[] | null;
  sharpness: number;
  manual: boolean;
  excluded: boolean;
}

export interface Faceset {
  subject: string;
  /** Those that training sees; `excluded` come on top. */
  faces: number;
  excluded: number;
  bytes: number;
  sealed: boolean;
}

export interface FacesetItem {
  id: string;
  frame: number;
  media: number | string;
  sharpness: number;
  exposure: number;
  yaw_rad: number;
  pitch_rad: number;
  size_px: number;
  excluded: boolean;
  why: string;
}

export interface JsonSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: (string | number)[];
  minimum?: number;
  maximum?: number;
  unit?: string;
  level?: 'basic' | 'advanced';
  /** Where the option was declared: JSON objects are sorted by name. */
  order?: number;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  /** Of an argument: what picks it. */
  kind?: string;
}

export type Values = Record<string, unknown>;
export interface TaskInfo {
  schema: JsonSchema;
  summary?: string;
  presets?: Record<string, Values>;
  arguments?: JsonSchema;
  /** Runs beside one that computes. */
  light?: boolean;
}

export type JobState = 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'cancelled' | 'interrupted';
export interface Progress {
  stage: string;
  done: number;
  total: number;
  unit: string;
  detail: string;
  elapsed_s: number;
  eta_s: number | null;
}

export interface ErrorBody {
  code: string;
  what: string;
  hint: string;
}

export interface Job {
  id: number;
  task: string;
  title: string;
  arguments: Values;
  options: Values;
  state: JobState;
  progress: Progress | null;
  created_at: string | number;
  started_at: string | number | null;
  ended_at: string | number | null;
  error: ErrorBody | null;
  result: unknown;
  attempt: number;
  /** How often the program ended under it, and the file of its crash report. */
  crashes: number;
  report: string | null;
}

export interface LogLine {
  t: string | number;
  level: string;
  text: string;
}

export interface Model {
  name: string;
  identity: string;
  performer: string;
  step: number;
  elapsed_s: number;
  state: string;
  preset: string;
  held_out: Record<string, number> | number | null;
  preview: { step: number } | null;
  bytes: number;
  sealed: boolean;
}

/** One line of a model's log: a row of losses, or with `event: "held_out"` one of held-out metrics. */
export interface TrainRow {
  step: number;
  time_s?: number;
  elapsed_s?: number;
  loss?: number;
  ms_per_step?: number;
  event?: string;
  l1_identity?: number;
  l1_performer?: number;
  ssim_identity?: number;
  ssim_performer?: number;
  [key: string]: unknown;
}

export interface Checkpoint {
  id: string;
  step: number;
  at: string | number;
  preview_step: number | null;
  current: boolean;
}

export interface Output {
  id: string;
  name: string;
  kind: string;
  bytes: number;
  made_at: string | number;
  job?: number | null;
  media?: number | null;
  model?: string | null;
  width?: number;
  height?: number;
  duration_s?: number;
  fps?: number;
  frames?: number;
}

/** One that can speak, or an enrolled person (engine "enrolled"). */
export interface VoiceRow {
  name: string;
  engine: string;
  language: string;
  licence: string;
  title: string;
  works: boolean;
  default: boolean;
  problem?: string;
  minutes?: number | null;
  clips?: number | null;
  clips_with_text?: number | null;
  trained?: boolean;
  quality?: { level: 'little' | 'enough' | 'good'; more_s: number; recordings: number; f0_median_hz: number; notes: { recording: string; rule?: string; text?: string }[] } | null;
}

export interface Verification {
  verdict: string;
  summary: string;
  advice?: string;
  claims_ai?: boolean;
  format?: string;
  problems?: string[];
  consent?: { role: string; operation: string; modality: string; basis: string; state: string; why: string }[];
  ledger?: Record<string, unknown>[];
  manifest?: {
    state?: string;
    signer?: string;
    signer_known?: boolean;
    issuer?: string;
    generator?: string;
    label?: string;
    place?: string;
    signed_at?: string;
    algorithm?: string;
    failures?: unknown[];
    actions?: { action: string; when: string; words: string; source_type: string }[];
    ingredients?: { title: string; relationship: string; has_manifest: boolean }[];
  } | null;
  watermark?: { found: boolean; present?: boolean; id?: string; reason?: string; confidence?: number; looked?: boolean } | null;
}

export interface ConsentRow {
  subject: string;
  kind?: string;
  state: string;
  consent?: string;
  basis?: string;
  person?: string;
  operations?: string[];
  modalities?: string[];
  uses?: string[];
  valid_from?: string;
  valid_until?: string;
  pending?: ConsentRequest | null;
  [key: string]: unknown;
}

export interface ConsentRequest {
  request: string;
  phrase: string;
  script: string;
  expires_at: string;
  subject?: string;
  /** What the consent rests on: a statement to the camera, or a document. */
  basis?: string;
}

export interface Finding {
  rule: string;
  ok: boolean;
  text: string;
}

export interface DoctorCheck {
  name: string;
  status: 'ok' | 'note' | 'warning' | 'missing' | string;
  value: string;
  hint?: string;
  fix?: string;
}

export interface TrashItem {
  id: string;
  kind?: string;
  name?: string;
  at?: string | number;
  [key: string]: unknown;
}

/** What the web app keeps in the project, so that it reopens where it was. */
export interface UiState {
  address?: string;
  marks?: Record<string, { in: number | null; out: number | null }>;
  presets?: Record<string, Record<string, Values>>;
  advanced?: boolean;
  swap?: Record<string, SwapDraft>;
  splits?: Record<string, number>;
  /** What can be undone and done again. */
  edits?: Kept;
}

export interface SwapDraft {
  model?: string;
  options: Values;
  ranges?: RangeOptions[];
  polygons?: MaskPolygon[];
}

export interface RangeOptions {
  first: number;
  last: number;
  options: Values;
}

/** A sentence of the voice bank and how many pairs of sounds it brings. */
export interface BankSentence {
  id: string;
  text: string;
  adds: number;
}
export interface BankState {
  subject: string;
  sentences_read: number;
  speech_s: number;
  coverage: { sentences: number; all_sentences: number; diphones: number; all_diphones: number; phones: number; all_phones: number; speech_share: number };
  next: BankSentence[];
  /** Speech that is still missing for a first and for a good voice. */
  enough_in_s: number;
  good_in_s: number;
}
export interface TakeCheck {
  good: boolean;
  findings: { rule: string; text: string; refused: boolean }[];
  heard: string;
  words: string;
  speech_s: number;
  snr_db: number;
  peak_db: number;
}
