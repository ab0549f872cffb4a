/** `PATH[:TAG]`: the tag is what follows the last colon, if that holds no slash. */
export function splitTag(text: string): { path: string; tag: string | undefined } {
  const colon = text.lastIndexOf(':');
  const tag = text.slice(colon + 1);
  if (colon <= 0 || tag === '' || tag.includes('/')) return { path: text, tag: undefined };
  return { path: text.slice(0, colon), tag };
}
