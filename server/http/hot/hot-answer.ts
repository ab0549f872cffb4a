import type { PlainRange } from './plain-request.ts';

/** Bytes that go to the socket as they are, and what is counted of them. */
export interface Reply {
  readonly bytes: Buffer;
  readonly bodyBytes: number;
}

/** An object that plain requests are answered from. */
export interface HotAnswer {
  /** The label of metrics. */
  readonly route: string;
  /** Bytes of memory that it holds. */
  readonly cost: number;
  /**
   * The reply to a request, good until the next call; undefined leaves the request to the routes:
   * there is no such range, or more of it than is sent at once.
   */
  reply(range: PlainRange | undefined, id: string, date: string): Reply | undefined;
  /** Leaves the bytes of the last reply to a socket that has not sent them yet. */
  giveAway(): void;
  /** Lets go of what it holds open. */
  close(): void;
}

/** Ids have one length, so that they can be written over each other; dates have one anyway. */
export const ID_LENGTH = 29;
export const DATE_LENGTH = 29;
