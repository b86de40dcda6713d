/** The parts of an OpenAPI 3.1 document that this gateway uses: rest/ makes it, page/ shows it. */
export interface OpenApi {
  readonly openapi: "3.1.1"
  readonly info: {
    readonly title: string
    readonly version: string
    readonly description: string
    readonly license: { readonly name: string; readonly identifier: string }
  }
  readonly servers: ReadonlyArray<{ readonly url: string }>
  readonly tags: ReadonlyArray<{ readonly name: string; readonly description: string }>
  readonly security: ReadonlyArray<Readonly<Record<string, ReadonlyArray<string>>>>
  readonly paths: Readonly<Record<string, Readonly<Partial<Record<Verb, Operation>>>>>
  readonly components: {
    readonly securitySchemes: Readonly<Record<string, object>>
    readonly schemas: Readonly<Record<string, Schema>>
  }
}

export type Verb = "get" | "put" | "post" | "delete" | "patch"

export interface Operation {
  readonly operationId: string
  readonly tags: ReadonlyArray<string>
  readonly summary: string
  readonly description: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly requestBody?: { readonly required: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, Answer>>
}

export interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly description: string
  readonly required?: true
  /** A list is a parameter given again and again. */
  readonly style?: "form"
  readonly explode?: true
  readonly schema: Schema
}

export interface Answer {
  readonly description: string
  readonly headers: Readonly<Record<string, { readonly description: string; readonly schema: Schema }>>
  readonly content?: Content
}

export type Content = Readonly<Record<string, { readonly schema: Schema; readonly example?: string }>>

/** JSON Schema 2020-12. */
export interface Schema {
  readonly $ref?: string
  readonly type?: "string" | "integer" | "number" | "boolean" | "object" | "array" | ReadonlyArray<string>
  readonly description?: string
  readonly format?: string
  readonly pattern?: string
  readonly maxLength?: number
  readonly contentEncoding?: string
  readonly enum?: ReadonlyArray<string>
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: boolean | Schema
  readonly oneOf?: ReadonlyArray<Schema>
}
