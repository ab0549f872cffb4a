/** What an upstream is shown so that it answers. Only the upstream itself sees it, never where it redirects. */
export interface UpstreamAuth {
  /**
   * The `Authorization` of a request for that path; undefined for none. Throws `unavailable`, an
   * `UpstreamError` when nobody gives one.
   */
  header(path: string): Promise<string | undefined>;
  /**
   * Told of a 401 to a request that carried `shown`, with its `WWW-Authenticate`. True when
   * {@link header} may now say something that is worth another try. Throws as that does.
   */
  refused?(path: string, challenge: string, shown: string | undefined): Promise<boolean>;
}

/** The same token each time. */
export function bearerAuth(token: string): UpstreamAuth {
  return { header: () => Promise.resolve(`Bearer ${token}`) };
}
