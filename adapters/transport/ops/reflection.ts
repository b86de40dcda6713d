import {
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  type MessageInitShape,
  toBinary
} from "@bufbuild/protobuf"
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt"
import { Code, type HandlerContext } from "@connectrpc/connect"
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema
} from "../../../proto/gen/grpc/reflection/v1/reflection_pb.js"
import { ServerReflection as ServerReflectionAlpha } from "../../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js"
import { begun, type Routes } from "../connect/routes.ts"

type Response = MessageInitShape<typeof ServerReflectionResponseSchema>
type Answer = NonNullable<Response["messageResponse"]>

/**
 * What clients without proto files ask: which services there are, and what their messages look like. Details of errors
 * travel as `Any`, so no service names their files. A drain does not wait for clients that go on asking.
 */
export const reflectionRoutes = (
  others: ReadonlyArray<DescService>,
  details: ReadonlyArray<DescFile>,
  draining: AbortSignal
): Routes => {
  const services = [...others, ServerReflection, ServerReflectionAlpha]
  const { files, symbols, extensions } = contentsOf([...services.map(({ file }) => file), ...details])

  const answerTo = (request: ServerReflectionRequest["messageRequest"], sent: Set<DescFile>): Answer => {
    switch (request.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: services.map(({ typeName }) => ({ name: typeName })) }
        }
      case "fileByFilename":
        return fileAnswer(files.get(request.value), sent, `file ${request.value}`)
      case "fileContainingSymbol":
        return fileAnswer(symbols.get(request.value), sent, `symbol ${request.value}`)
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = request.value
        const found = extensions.find((one) => isOf(one, containingType) && one.number === extensionNumber)
        return fileAnswer(found?.file, sent, `extension ${extensionNumber} of ${containingType}`)
      }
      case "allExtensionNumbersOfType": {
        const baseTypeName = request.value
        const extensionNumber = extensions.filter((one) => isOf(one, baseTypeName)).map(({ number }) => number)
        if (extensionNumber.length === 0 && !symbols.has(baseTypeName)) return failed(Code.NotFound, baseTypeName)
        return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } }
      }
      case undefined:
        return {
          case: "errorResponse",
          value: { errorCode: Code.InvalidArgument, errorMessage: "the request asks nothing" }
        }
    }
  }

  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>, context: HandlerContext) {
    begun(context)?.onHeaders(context.responseHeader)
    const sent = new Set<DescFile>()
    for await (const request of until(draining, requests)) {
      const messageResponse = answerTo(request.messageRequest, sent)
      yield { validHost: request.host, originalRequest: request, messageResponse }
    }
  }
  return (router) => {
    router.service(ServerReflection, { serverReflectionInfo })
    // The same messages under an older name, which many tools still use.
    router.service(ServerReflectionAlpha, { serverReflectionInfo: serverReflectionInfo as never })
  }
}

/** What comes until then. */
async function* until<A>(signal: AbortSignal, items: AsyncIterable<A>) {
  const iterator = items[Symbol.asyncIterator]()
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const stop = () => resolve(undefined)
  signal.addEventListener("abort", stop)
  try {
    while (!signal.aborted) {
      const next = await Promise.race([iterator.next(), promise])
      if (next === undefined || next.done === true) return
      yield next.value
    }
  } finally {
    signal.removeEventListener("abort", stop)
  }
}

const failed = (errorCode: Code, what: string): Answer => ({
  case: "errorResponse",
  value: { errorCode, errorMessage: `there is no ${what}` }
})

/** A file and all that it imports, less what this stream was sent before. */
const fileAnswer = (file: DescFile | undefined, sent: Set<DescFile>, what: string): Answer => {
  if (file === undefined) return failed(Code.NotFound, what)
  const asked = [file, ...importsOf(file).filter((one) => one !== file && !sent.has(one))]
  for (const one of asked) sent.add(one)
  const fileDescriptorProto = asked.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto))
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } }
}

const importsOf = (file: DescFile, found = new Set<DescFile>()): Array<DescFile> => {
  if (!found.has(file)) {
    found.add(file)
    for (const one of file.dependencies) importsOf(one, found)
  }
  return [...found]
}

const isOf = (extension: DescExtension, typeName: string): boolean => extension.extendee.typeName === typeName

/** Everything that can be asked for by name. */
const contentsOf = (roots: ReadonlyArray<DescFile>) => {
  const files = new Map<string, DescFile>()
  const symbols = new Map<string, DescFile>()
  const extensions: Array<DescExtension> = []
  const addMessage = (file: DescFile, message: DescMessage): void => {
    symbols.set(message.typeName, file)
    for (const { name } of [...message.fields, ...message.oneofs]) symbols.set(`${message.typeName}.${name}`, file)
    for (const { typeName } of message.nestedEnums) symbols.set(typeName, file)
    extensions.push(...message.nestedExtensions)
    for (const nested of message.nestedMessages) addMessage(file, nested)
  }
  for (const file of new Set(roots.flatMap((root) => importsOf(root)))) {
    // In a proto file the name ends so; the descriptor leaves it out.
    files.set(`${file.name}.proto`, file)
    extensions.push(...file.extensions)
    for (const { typeName } of file.enums) symbols.set(typeName, file)
    for (const message of file.messages) addMessage(file, message)
    for (const service of file.services) {
      symbols.set(service.typeName, file)
      for (const { name } of service.methods) symbols.set(`${service.typeName}.${name}`, file)
    }
  }
  for (const extension of extensions) symbols.set(extension.typeName, extension.file)
  return { files, symbols, extensions }
}
