import { type CaptureEnd, type CaptureOptions, capture } from './capture.ts'

/** The lake half of a run, wherever it lives (a worker thread, or this one in tests). */
export interface LakeHalf {
  /** This append is durable in the log. */
  advance(appendId: number): void
  /** Flushes up to the log's newest boundary; resolves when that is committed. */
  drain(): Promise<void>
  /** Rejects when the lake half fails; never resolves before it is closed. */
  readonly ended: Promise<void>
  /** Ends at once, wherever it is. */
  close(): Promise<void>
}

/**
 * Source → log → lake, until `drain` aborts or, with `once`, the position that was current at start is in the lake. Then the lake is
 * brought to the log's newest boundary. When one half fails the other is ended at once and the failure is thrown: what is in the log
 * stays there, and the next run goes on from it.
 */
export async function runPipeline(options: CaptureOptions, lake: LakeHalf | null, once: boolean, drain: AbortSignal): Promise<CaptureEnd> {
  const abort = new AbortController()
  const failed = lake === null ? new Promise<never>(() => undefined) : lakeFailure(lake)
  failed.catch((e: unknown) => abort.abort(e))
  try {
    const onAppend: CaptureOptions['onAppend'] = (progress) => {
      options.onAppend?.(progress)
      lake?.advance(progress.appendId)
    }
    const end = await capture({ ...options, onAppend }, once, drain, abort.signal)
    if (lake !== null) await Promise.race([lake.drain(), failed])
    return end
  } catch (e) {
    // A connection that was cut because the lake half had failed is not what failed.
    abort.signal.throwIfAborted()
    throw e
  } finally {
    await lake?.close()
  }
}

async function lakeFailure(lake: LakeHalf): Promise<never> {
  await lake.ended
  return await new Promise<never>(() => undefined)
}
