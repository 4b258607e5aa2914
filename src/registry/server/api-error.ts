import type { CompatibilityLevel } from '../avro/levels.ts'

/** An error of the API: HTTP status, Confluent's error code and a text. The body is `{"error_code":…,"message":…}`. */
export class ApiError extends Error {
  readonly status: number
  readonly errorCode: number

  constructor(status: number, errorCode: number, message: string) {
    super(message)
    this.status = status
    this.errorCode = errorCode
  }
}

/** Confluent's codes. */
export const API = {
  subjectNotFound: (subject: string) => new ApiError(404, 40401, `Subject '${subject}' not found.`),
  versionNotFound: (version: number | string) => new ApiError(404, 40402, `Version ${version} not found.`),
  schemaNotFound: (id?: number) => new ApiError(404, 40403, id === undefined ? 'Schema not found' : `Schema ${id} not found`),
  subjectSoftDeleted: (subject: string) =>
    new ApiError(404, 40404, `Subject '${subject}' was soft deleted. Set permanent=true to delete permanently`),
  subjectNotSoftDeleted: (subject: string) =>
    new ApiError(404, 40405, `Subject '${subject}' was not deleted first before being permanently deleted`),
  versionSoftDeleted: (subject: string, version: number) =>
    new ApiError(404, 40406, `Subject '${subject}' Version ${version} was soft deleted. Set permanent=true to delete permanently`),
  versionNotSoftDeleted: (subject: string, version: number) =>
    new ApiError(404, 40407, `Subject '${subject}' Version ${version} was not deleted first before being permanently deleted`),
  noSubjectLevel: (subject: string) =>
    new ApiError(404, 40408, `Subject '${subject}' does not have subject-level compatibility configured`),
  noSubjectMode: (subject: string) => new ApiError(404, 40409, `Subject '${subject}' does not have subject-level mode configured`),
  incompatible: (subject: string, details: readonly string[]) =>
    new ApiError(
      409,
      409,
      `Schema being registered is incompatible with an earlier schema for subject "${subject}", details: [${details.join(', ')}]`,
    ),
  invalidSchema: (why: string) => new ApiError(422, 42201, `Invalid schema: ${why}`),
  invalidVersion: (text: string) =>
    new ApiError(
      422,
      42202,
      `The specified version '${text}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
    ),
  invalidLevel: (known: readonly CompatibilityLevel[]) =>
    new ApiError(422, 42203, `Invalid compatibility level. Valid values are ${known.join(', ')}`),
  invalidMode: (known: readonly string[]) => new ApiError(422, 42204, `Invalid mode. Valid values are ${known.join(', ')}`),
  notPermitted: (why: string) => new ApiError(422, 42205, why),
  referenced: (subject: string, version: number) =>
    new ApiError(422, 42206, `One or more references exist to the schema {subject=${subject},version=${version}}.`),
  invalidSubject: (subject: string) => new ApiError(422, 42208, `The specified subject '${subject}' is not a valid subject.`),
  badRequest: (why: string) => new ApiError(400, 400, why),
} as const
