// SPDX-License-Identifier: Apache-2.0
// What the page knows of the server: the lists of the open project, kept fresh by the event stream.
// Rooms read from here and never keep copies.
import { ApiError, call, get, login, logout, post, projectPath, startSession, whenLocked } from './api';
import { events, type ServerEvent } from './events.svelte';
import { router } from './router.svelte';
import { attempt, toasts } from './toast.svelte';
import type { ConsentRow, ErrorBody, Faceset, Job, Media, Model, Output, Project, ProjectRow, Session, Subject, TaskInfo, UiState, Values } from './types';
import { edits } from './undo.svelte';

type ListName = 'subjects' | 'media' | 'facesets' | 'models' | 'outputs' | 'consents' | 'jobs';
const kRefreshOf: Record<string, ListName[]> = {
  subjects: ['subjects'],
  faces: ['media', 'facesets', 'subjects'],
  facesets: ['facesets', 'subjects'],
  models: ['models'],
  outputs: ['outputs'],
  consents: ['consents', 'subjects'],
  trash: ['media', 'models', 'outputs', 'facesets'],
};

class Store {
  session = $state<Session | null>(null);
  /** A password is asked for before anything else. */
  locked = $state(false);
  /** Why there is no session or no project, for the whole page. */
  failure = $state<ErrorBody | null>(null);
  projects = $state<ProjectRow[] | null>(null);
  project = $state<Project | null>(null);
  tasks = $state.raw<Record<string, TaskInfo>>({});
  subjects = $state<Subject[]>([]);
  media = $state<Media[]>([]);
  facesets = $state<Faceset[]>([]);
  models = $state<Model[]>([]);
  outputs = $state<Output[]>([]);
  consents = $state<ConsentRow[]>([]);
  jobs = $state<Job[]>([]);
  ui = $state<UiState>({});
  loading = $state(false);
  /** Grows when faces of the project changed: rooms that show faces fetch them again. */
  facesVersion = $state(0);
  swapVersion = $state(0);
  /** Grows when a voice was enrolled or trained. */
  voicesVersion = $state(0);
  #opening: string | null = null;
  #uiTimer = 0;
  #pending = new Map<ListName, number>();

  get base() {
    return projectPath(this.project?.id ?? router.route.project ?? '');
  }
  /** The job the job bar shows: the running one, else the first of the queue. */
  get current(): Job | undefined {
    return this.jobs.find((j) => j.state === 'running') ?? this.jobs.find((j) => j.state === 'paused') ?? this.jobs.find((j) => j.state === 'queued');
  }

  async start() {
    whenLocked(() => this.#lock());
    addEventListener('pagehide', () => this.#leave());
    try {
      this.session = await startSession();
    } catch (error) {
      if (error instanceof ApiError && error.code === 'password') return this.#lock();
      this.failure = error instanceof ApiError
        ? { code: error.code, what: error.status === 401 ? 'This page has no access yet.' : error.what, hint: error.status === 401 ? 'Open the whole address that `likeness studio` printed: it ends in #token=…' : error.hint }
        : { code: 'internal', what: String(error), hint: 'Reload the page.' };
      return;
    }
    await this.#begin(this.session);
  }

  async #begin(session: Session) {
    events.on((event) => this.#onEvent(event));
    events.start();
    void attempt(async () => (this.tasks = await get<Record<string, TaskInfo>>('/v1/tasks')));
    void this.loadProjects();
    if (!router.route.project && router.route.room === 'projects' && session.project && !sessionStorage.getItem('likeness-opened')) {
      sessionStorage.setItem('likeness-opened', '1');
      await this.open(session.project, true);
    }
  }

  #lock() {
    this.session = null;
    this.locked = true;
  }
  /** Throws ApiError when the password is wrong, or there were too many tries. */
  async login(password: string) {
    this.session = await login(password);
    this.locked = false;
    if (Object.keys(this.tasks).length > 0) void events.retry();
    else await this.#begin(this.session);
  }
  async logout() {
    await attempt(logout);
    location.assign('/');
  }

  async loadProjects() {
    await attempt(async () => (this.projects = await get<ProjectRow[]>('/v1/projects')));
  }

  /** Loads a project. `resume`: goes back to the address where it was left. */
  async open(id: string, resume = false) {
    if (this.#opening === id) return;
    if (this.project?.id === id) return resume ? this.#resume(id) : undefined;
    this.#opening = id;
    this.loading = true;
    this.failure = null;
    edits.clear();
    try {
      const project = await get<Project>(projectPath(id));
      const [ui] = await Promise.all([get<UiState | null>(`${projectPath(id)}/ui`), this.#loadAll(id)]);
      if (this.#opening !== id) return;
      this.project = project;
      this.ui = ui ?? {};
      edits.open(projectPath(id), this.ui.edits, (kept) => this.keep({ edits: kept }));
      if (resume) this.#resume(id);
    } catch (error) {
      this.project = null;
      this.failure = error instanceof ApiError ? { code: error.code, what: error.what, hint: error.hint || 'Choose another project.' } : { code: 'internal', what: String(error), hint: 'Reload the page.' };
    } finally {
      if (this.#opening === id) {
        this.#opening = null;
        this.loading = false;
      }
    }
  }

  /** Back to where the project was looked at last. */
  #resume(id: string) {
    if (this.ui.address?.startsWith(`/p/${encodeURIComponent(id)}/`)) router.openAddress(this.ui.address);
    else router.go({ project: id, room: 'media', item: '', query: {} });
  }

  close() {
    this.project = null;
    this.#opening = null;
    for (const name of ['subjects', 'media', 'facesets', 'models', 'outputs', 'consents', 'jobs'] as const) this[name] = [];
  }

  async #loadAll(id: string) {
    await Promise.all((['subjects', 'media', 'facesets', 'models', 'outputs', 'consents', 'jobs'] as const).map((name) => this.#load(name, id)));
  }

  async #load(name: ListName, id: string) {
    const list = await get<never[]>(`${projectPath(id)}/${name}`);
    this[name] = list;
  }

  /** Fetches lists again, soon; many wishes become one. */
  refresh(...names: ListName[]) {
    const id = this.project?.id;
    if (!id) return;
    for (const name of names) {
      if (this.#pending.has(name)) continue;
      this.#pending.set(name, window.setTimeout(() => {
        this.#pending.delete(name);
        if (this.project?.id === id) this.#load(name, id).catch(() => undefined);
      }, 60));
    }
  }

  async refreshProject() {
    const id = this.project?.id;
    if (id) await attempt(async () => (this.project = await get<Project>(projectPath(id))));
  }

  #onEvent(event: ServerEvent) {
    if (event.type === 'reset') {
      void this.loadProjects();
      if (this.project) void this.#loadAll(this.project.id).catch(() => undefined);
      this.facesVersion++;
      return;
    }
    if (!this.project || event.project !== this.project.id) return;
    if (event.type === 'job') this.#onJob(event.job as Job);
    else if (event.type === 'media') this.upsertMedia(event.media as Media);
    else if (event.type === 'project') {
      const what = String(event.what);
      this.refresh(...(kRefreshOf[what] ?? []));
      if (what === 'voices') this.voicesVersion++;
      if (what === 'faces' || what === 'facesets' || what === 'trash') this.facesVersion++;
    } else if (event.type === 'preview' || event.type === 'train') {
      const model = this.models.find((m) => m.name === event.model);
      if (model) model.step = Math.max(model.step, Number(event.step) || 0);
      else this.refresh('models');
      if (model && event.type === 'preview') model.preview = { step: Number(event.step) };
    }
  }

  #onJob(job: Job) {
    const known = this.jobs.find((j) => j.id === job.id);
    const before = known?.state;
    if (known) Object.assign(known, job);
    else this.refresh('jobs');
    if (before === job.state) return;
    this.refresh('jobs');
    const look = this.#lookAt(job);
    // Who is in the room already sees it.
    if (job.state === 'done' && look?.room !== router.route.room && router.route.room !== 'jobs') toasts.note(`${job.title}: done.`, look);
    const shownThere = (job.task === 'consent-record' && router.route.room === 'consent') || (/^voice-/.test(job.task) && router.route.room === 'voice') || (router.route.room === 'jobs' && 'new' in router.route.query);
    if (job.state === 'failed' && job.error && !shownThere) toasts.show({ kind: 'error', text: `${job.title}: ${job.error.what}`, hint: job.error.hint, action: { label: 'Open the job', run: () => router.go({ room: 'jobs', item: String(job.id), query: {} }) } });
    if (!['done', 'failed', 'cancelled'].includes(job.state)) return;
    this.refresh('media', 'facesets', 'subjects', 'models', 'outputs', 'consents');
    this.facesVersion++;
    void this.refreshProject();
  }

  #lookAt(job: Job) {
    const model = job.arguments.model;
    const target = { extract: ['faces', ''], train: ['train', typeof model === 'string' ? model : ''], swap: ['outputs', ''], speak: ['voice', ''], 'voice-convert': ['voice', ''], 'voice-enroll': ['voice', String(job.arguments.subject ?? '')], 'voice-train': ['voice', String(job.arguments.subject ?? '')], 'consent-record': ['consent', String(job.arguments.subject ?? '')] }[job.task];
    return target ? { room: target[0], label: 'Look', run: () => router.go({ room: target[0] as 'faces', item: target[1]!, query: {} }) } : undefined;
  }

  upsertMedia(media: Media) {
    const at = this.media.findIndex((m) => String(m.id) === String(media.id));
    if (at >= 0) this.media[at] = media;
    else this.media.push(media);
  }

  async addJob(task: string, args: Values, options: Values): Promise<Job | undefined> {
    return attempt(async () => {
      const job = await post<Job>(`${this.base}/jobs`, { task, arguments: args, options });
      if (!this.jobs.some((j) => j.id === job.id)) this.jobs.push(job);
      this.refresh('jobs');
      return job;
    });
  }

  /** Changes what the project keeps of this page; it is written a moment later. */
  keep(change: Partial<UiState>) {
    Object.assign(this.ui, change);
    const id = this.project?.id;
    if (!id) return;
    clearTimeout(this.#uiTimer);
    this.#uiTimer = window.setTimeout(() => this.#write(id), 800);
  }

  /** Settings of the Swap room that come from elsewhere: the room reads them again. */
  keepSwap(swap: NonNullable<UiState['swap']>) {
    this.keep({ swap });
    this.swapVersion++;
  }

  #write(id: string) {
    clearTimeout(this.#uiTimer);
    this.#uiTimer = 0;
    const body = $state.snapshot(this.ui);
    // Browsers send at most 64 KB after the page is gone.
    void call(`${projectPath(id)}/ui`, { method: 'PUT', body, keepalive: JSON.stringify(body).length < 60_000 }).catch(() => undefined);
  }
  /** Before the page is left: what was kept a moment ago is not lost. */
  #leave() {
    if (this.#uiTimer && this.project) this.#write(this.project.id);
  }

  mediaOf(id: string): Media | undefined {
    return this.media.find((m) => String(m.id) === id);
  }
}

export const store = new Store();
