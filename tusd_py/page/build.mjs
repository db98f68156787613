// Builds the page into static/, which is made anew: one script and one stylesheet named after
// what is in them, the licences of all that went in, and manifest.json, which names the files.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const built = join(here, 'static.new')
const place = join(here, 'static')
const MODULE = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//

await rm(built, { recursive: true, force: true })
await mkdir(built)
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ['page.js'],
  entryNames: '[name]-[hash]',
  outdir: built,
  bundle: true,
  format: 'esm',
  legalComments: 'none', // the licences go into a file of their own
  logLevel: 'warning',
  metafile: true,
  minify: true,
  target: ['es2022'],
})

const files = Object.keys(metafile.outputs).map((path) => basename(path))
const manifest = {
  script: files.find((name) => name.endsWith('.js')),
  style: files.find((name) => name.endsWith('.css')),
  licences: 'licences.txt',
}
await writeFile(join(built, manifest.licences), await licences(Object.keys(metafile.inputs)))
await writeFile(join(built, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
// A server that starts meanwhile finds the old files, none, or the new ones.
await rm(place, { recursive: true, force: true })
await rename(built, place)

/** Returns the licences of all packages that a file of *inputs* comes from. */
async function licences(inputs) {
  const packages = new Set(inputs.map((path) => MODULE.exec(path)?.[1]).filter(Boolean))
  const texts = await Promise.all([...packages].sort().map(licence))
  return `${manifest.script} and ${manifest.style} contain parts of these packages.\n${texts.join('')}`
}

async function licence(name) {
  const folder = join(here, 'node_modules', name)
  const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry))
  const text = file
    ? await readFile(join(folder, file), 'utf8')
    : `The package has no text of its licence, which it names ${license}.`
  const title = `${name} ${version} (${license})`
  return `\n${'='.repeat(72)}\n${title}\n${'='.repeat(72)}\n\n${text.trim()}\n`
}
