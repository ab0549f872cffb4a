/** Objects of one question, and of one request that brings them. */
export const MAX_PUSH_OBJECTS = 8192;

/** Bytes of a question about so many objects. */
export const MAX_MISSING_BODY_BYTES = 1024 * 1024;
