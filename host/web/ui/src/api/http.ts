// One question to the server over HTTP, whatever its answer is.
import { t } from "../strings";

/** What the server said no to, in its words. */
export class ApiError extends Error {
  constructor(message: string, readonly typename = "UnexpectedError") {
    super(message);
  }
}

/** `said` is null where the answer is not JSON. */
export type Answer<T> = { ok: boolean; status: number; said: (T & { errors?: { message: string }[] }) | null };

export async function ask<T extends object>(path: string, init: RequestInit): Promise<Answer<T>> {
  const response = await fetch(path, { ...init, headers: { "content-type": "application/json", accept: "application/json" } }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new ApiError(t.error.unreachable);
  });
  return { ok: response.ok, status: response.status, said: await response.json().catch(() => null) };
}

/** Why there is no more in an answer, in the server's words if it has any. */
export const whyNot = ({ status, said }: Answer<object>, typename?: string) =>
  new ApiError(said?.errors?.map((error) => error.message).join("\n") || t.error.status(status), typename);
