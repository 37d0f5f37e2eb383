// The JSON API of this server.

export class ApiError extends Error {
  constructor(message, hint, status = 0) {
    super(message);
    this.hint = hint;
    this.status = status;
  }
}

/** Ask; repeated parameters are arrays. */
export async function ask(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of [value].flat()) if (each !== null && each !== undefined) query.append(name, each);
  }
  const address = `/api/${path}${query.size ? `?${query}` : ""}`;
  let response;
  try {
    response = await fetch(address, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer.", "Is cfpipe serve still running?");
  }
  const answer = await response.json();
  if (!response.ok) throw new ApiError(answer.error, answer.hint, response.status);
  return answer;
}

/** The path of an entity: ids that mean something else in a path have a prefix. */
export function pathOf(type, id) {
  const plain = ![".", "..", "search", "map"].includes(id) && !id.startsWith("id:");
  return `${encodeURIComponent(type)}/${encodeURIComponent(plain ? id : `id:${id}`)}`;
}

/** "type:id" and back; an id may have colons. */
export const referenceOf = (entity) => `${entity.type}:${entity.id}`;

export function parseReference(reference) {
  const [type, ...id] = reference.split(":");
  return { type, id: id.join(":") };
}
