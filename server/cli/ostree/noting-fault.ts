/**
 * A body on its way out that tells when it fails itself: by the error of the request alone, that can't
 * be told from a broken connection.
 */
export async function* notingFault(
  body: AsyncIterable<Buffer>,
  failed: (error: unknown) => void,
): AsyncGenerator<Buffer, void> {
  try {
    yield* body;
  } catch (error) {
    failed(error);
    throw error;
  }
}
