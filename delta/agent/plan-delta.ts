import { open, rm, type FileHandle } from 'node:fs/promises';
import { Writable } from 'node:stream';

import type { Digest } from '../../storage/digest.ts';
import { FileAccess, type RandomAccess } from '../../storage/random-access.ts';
import { applyDelta, openDelta, type DeltaFile, type DeltaOutput } from '../apply.ts';
import { writeAt } from './durable.ts';
import { DeviceError } from './errors.ts';
import { parseRelease, parseSourceManifest, type ReleaseImage } from './image.ts';
import { newLayerBytes, type FetchedPlan, type PlanEnv } from './plan.ts';
import type { DeltaPlan } from './protocol.ts';
import type { SlotWriter } from './slot-writer.ts';

/** Fetches the delta and checks that it leads from what runs to the decision's target. */
export async function fetchDelta(plan: DeltaPlan, env: PlanEnv): Promise<FetchedPlan> {
  const running = env.base?.image.manifest.digest;
  if (running !== plan.from) {
    throw new DeviceError(
      'wrong_base',
      `the delta starts from ${plan.from}, here runs ${running ?? 'nothing'}`,
    );
  }
  const fetchBytes = await env.fetcher.missingBytes(plan);
  const diskBytes = plan.size + newLayerBytes(env);
  await env.need({ diskBytes, fetchBytes, requests: 1 });
  const path = await env.fetcher.blob({
    digest: plan.digest,
    size: plan.size,
    maxBytes: plan.size,
  });
  const source = await FileAccess.open(path);
  try {
    const delta = await openDelta(source);
    const image = checkTarget(delta, plan, env);
    const outputBytes = delta.outputs
      .filter((output) => !output.reuse)
      .reduce((sum, output) => sum + output.size, 0);
    return {
      image,
      outputBytes,
      apply: (writer) => apply(delta, writer, env),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The release inside the delta: its digests must chain from the decision's target to the outputs. */
function checkTarget(delta: DeltaFile, plan: DeltaPlan, env: PlanEnv): ReleaseImage {
  const { manifestBytes, configBytes } = delta;
  if (delta.kind !== 'image' || manifestBytes === undefined || configBytes === undefined) {
    throw new DeviceError('corrupt', `the delta ${plan.digest} is not one of an image`);
  }
  const target = env.decision.target.digest;
  const image = parseRelease(parseSourceManifest(manifestBytes, target), configBytes);
  const layers = [...new Set(image.diffIds)];
  const fits =
    delta.outputs.length === layers.length &&
    delta.outputs.every((output, i) => output.diffId === layers[i]);
  if (delta.from !== plan.from || !fits) {
    throw new DeviceError('corrupt', `the delta ${plan.digest} does not lead to ${target}`);
  }
  return image;
}

async function apply(delta: DeltaFile, writer: SlotWriter, env: PlanEnv): Promise<void> {
  for (const output of delta.outputs) {
    if (output.reuse && !(await writer.adopt(output.diffId))) {
      throw new DeviceError(
        'wrong_base',
        `the layer ${output.diffId} that the delta builds on is missing here or damaged`,
      );
    }
  }
  const opened: FileAccess[] = [];
  const kept = async (file: Promise<FileAccess | undefined>): Promise<RandomAccess | undefined> => {
    const access = await file;
    if (access !== undefined) opened.push(access);
    return access;
  };
  try {
    await applyDelta(
      delta,
      { tar: (diffId) => kept(env.layers.open(diffId)) },
      {
        existing: (output) => kept(openExisting(writer, output)),
        output: (output, start) => LayerFile.open(writer, env, output.diffId, start),
      },
      { signal: env.signal, onProgress: env.onApply },
    );
  } finally {
    for (const access of opened) await access.close();
  }
}

/** What an interrupted run left of a layer, whole or not. */
async function openExisting(
  writer: SlotWriter,
  output: DeltaOutput,
): Promise<FileAccess | undefined> {
  return (await writer.reopen(output.diffId))
    ? FileAccess.open(writer.tempPath(output.diffId))
    : undefined;
}

type LayerEnv = Pick<PlanEnv, 'space' | 'buffers'>;

/** A layer on its way; it becomes part of the slot when the stream has ended. */
class LayerFile extends Writable {
  readonly #file: FileHandle;
  readonly #writer: SlotWriter;
  readonly #env: LayerEnv;
  readonly #diffId: Digest;
  #at: number;

  private constructor(
    file: FileHandle,
    writer: SlotWriter,
    env: LayerEnv,
    diffId: Digest,
    start: number,
  ) {
    super({ highWaterMark: 1 << 20 });
    this.#file = file;
    this.#writer = writer;
    this.#env = env;
    this.#diffId = diffId;
    this.#at = start;
  }

  static async open(
    writer: SlotWriter,
    env: LayerEnv,
    diffId: Digest,
    start: number,
  ): Promise<LayerFile> {
    const temp = writer.tempPath(diffId);
    if (start === 0) await rm(temp, { force: true });
    const file = await open(temp, start === 0 ? 'w' : 'r+');
    await file.truncate(start);
    return new LayerFile(file, writer, env, diffId, start);
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#writeAll(bytes).then(() => {
      done();
    }, done);
  }

  override _final(done: (error?: Error) => void): void {
    this.#finish().then(() => {
      done();
    }, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#file.close().then(() => {
      done(error);
    }, done);
  }

  async #writeAll(bytes: Buffer): Promise<void> {
    await this.#env.space.write(bytes.length);
    await writeAt(this.#file, bytes, this.#at);
    this.#at += bytes.length;
    this.#env.buffers.passed(bytes.length);
  }

  async #finish(): Promise<void> {
    await this.#file.sync();
    await this.#writer.commit(this.#diffId);
  }
}
