// SPDX-License-Identifier: Apache-2.0
// The only place that speaks HTTP. Every failure becomes an ApiError with what happened and what to
// do next, also when the server is gone or answers something that is not ours.
import type { ErrorBody, Session } from './types';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly what: string,
    readonly hint: string,
  ) {
    super(what);
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** The text of any thrown thing, for people. */
export function explain(error: unknown): ErrorBody {
  if (error instanceof ApiError) return { code: error.code, what: error.what, hint: error.hint };
  return { code: 'internal', what: error instanceof Error ? error.message : String(error), hint: 'Reload the page. If it happens again, look at Jobs and Doctor.' };
}

const kSession = '/v1/session';
let csrf = '';

async function failure(response: Response): Promise<ApiError> {
  let body: Partial<ErrorBody> = {};
  try {
    body = ((await response.json()) as { error?: Partial<ErrorBody> }).error ?? {};
  } catch {
    // Not JSON: the status has to do.
  }
  return new ApiError(
    response.status,
    body.code ?? `http_${response.status}`,
    body.what ?? `The server answered ${response.status} ${response.statusText}`.trim(),
    body.hint ?? (response.status === 401 ? 'Open the address that `likeness studio` printed.' : ''),
  );
}

export interface RequestOptions {
  method?: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Goes out even when the page is left; at most 64 KB. */
  keepalive?: boolean;
}

/** The response of a request that succeeded. Throws ApiError, or AbortError when `signal` fired. */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const method = options.method ?? 'GET';
  const headers: Record<string, string> = {};
  let body: BodyInit | null = null;
  if (options.body instanceof Blob) {
    body = options.body;
    headers['Content-Type'] = 'application/octet-stream';
  } else if (options.body !== undefined) {
    body = JSON.stringify(options.body);
    headers['Content-Type'] = 'application/json';
  }
  if (method !== 'GET') headers['X-Likeness-CSRF'] = csrf;
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body, signal: options.signal ?? null, keepalive: options.keepalive ?? false, credentials: 'same-origin' });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, 'offline', 'The studio does not answer.', 'Is `likeness studio` still running? The page goes on by itself when it is back.');
  }
  if (response.ok) return response;
  const error = await failure(response);
  if (error.status === 401 && error.code === 'password' && (path !== kSession || method === 'GET')) onLocked();
  throw error;
}

let onLocked = () => {};
/** What to do when the session has ended and a password is asked for again. */
export const whenLocked = (run: () => void) => void (onLocked = run);

export async function call<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await request(path, options);
  const text = await response.text();
  return (text ? JSON.parse(text) : null) as T;
}

export const get = <T>(path: string, signal?: AbortSignal) => call<T>(path, { signal });
export const getText = async (path: string) => (await request(path, {})).text();
export const post = <T>(path: string, body: unknown = {}, signal?: AbortSignal) => call<T>(path, { method: 'POST', body, signal });
export const put = <T>(path: string, body: unknown = {}) => call<T>(path, { method: 'PUT', body });
export const patch = <T>(path: string, body: unknown = {}) => call<T>(path, { method: 'PATCH', body });
export const remove = <T>(path: string) => call<T>(path, { method: 'DELETE' });

/** Exchanges the token of the address (`#token=…`) for a cookie, or goes on with the cookie there is. */
export async function startSession(): Promise<Session> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) history.replaceState(null, '', location.pathname + location.search);
  return keepSession(token ? await post<Session>(kSession, { token }) : await get<Session>(kSession));
}
export const login = async (password: string) => keepSession(await post<Session>(kSession, { password }));
export const logout = () => remove<unknown>(kSession);

function keepSession(session: Session): Session {
  csrf = session.csrf;
  return session;
}

export const projectPath = (project: string) => `/v1/projects/${encodeURIComponent(project)}`;

const kPieceBytes = 4 << 20;

/** Sends a file in pieces; a piece that failed is sent again from where the server is. Returns the upload's id. */
export async function upload(project: string, file: Blob, name: string, onProgress: (share: number) => void, signal?: AbortSignal): Promise<string> {
  const base = `${projectPath(project)}/uploads`;
  const { upload: id } = await call<{ upload: string }>(base, { method: 'POST', body: { name, size: file.size }, signal });
  const path = `${base}/${encodeURIComponent(id)}`;
  let offset = 0;
  let failures = 0;
  try {
    while (offset < file.size) {
      try {
        const piece = file.slice(offset, Math.min(offset + kPieceBytes, file.size));
        const { received } = await call<{ received: number }>(`${path}?offset=${offset}`, { method: 'PUT', body: piece, signal });
        offset = received;
        failures = 0;
        onProgress(offset / file.size);
      } catch (error) {
        const offline = error instanceof ApiError && error.status === 0;
        if (!offline || ++failures > 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * failures));
      }
    }
  } catch (error) {
    void call(path, { method: 'DELETE' }).catch(() => undefined);
    throw error;
  }
  return id;
}

export const finishUpload = <T>(project: string, id: string, signal?: AbortSignal) =>
  post<T>(`${projectPath(project)}/uploads/${encodeURIComponent(id)}/done`, {}, signal);
