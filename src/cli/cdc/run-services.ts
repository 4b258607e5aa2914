import type { ServicePolicy } from '../../lake/service/run-services.ts'
import type { FlagValues } from '../flag.ts'
import type { RunFlags } from './run-flags.ts'

/** Commits that gather beyond `--keep-commits` before they are archived together: an archival reads and writes once for all of them. */
const ARCHIVE_TOGETHER = 10

/** What the flags say of the services that run between commits; 0 turns one off. */
export function servicePolicy(flags: Pick<FlagValues<RunFlags>, 'keep-history' | 'keep-commits'>): ServicePolicy {
  const { 'keep-history': history, 'keep-commits': keep } = flags
  return {
    clean: history === 0 ? null : { kind: 'hours', retain: history / 3_600_000 },
    archive: keep === 0 ? null : { min: keep, max: keep + ARCHIVE_TOGETHER },
  }
}
