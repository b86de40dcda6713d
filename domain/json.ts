/** Values as JSON has them. Numbers are doubles; 64-bit integers never pass through here. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject

export interface JsonObject {
  readonly [key: string]: Json
}
