// Reads AsyncAPI documents with the official parser: a JSON array of {name, document} from standard input; for each its diagnostics.
import { readFileSync } from 'node:fs'
import { Parser } from '@asyncapi/parser'

const given = JSON.parse(readFileSync(0, 'utf8'))
const results = []
for (const { name, document } of given) {
  const { document: parsed, diagnostics } = await new Parser().parse(document)
  results.push({
    name,
    diagnostics: diagnostics.map(({ code, message, path, severity }) => ({ code, message, path, severity })),
    version: parsed?.version(),
    messages: parsed?.channels().all().map((channel) => [channel.address(), channel.messages().all().map((message) => message.name())]),
  })
}
process.stdout.write(JSON.stringify(results))
