// Has bsmap load every file of the level folders given, with its schema checks set to throw.
// Prints one JSON object: the problems of each folder ([] where bsmap takes all of it).
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const require = createRequire(path.join(process.env.SABERLM_NODE_MODULES, "here.js"));
const bsmap = require("bsmap");
bsmap.logger?.setLevel?.(0);
const schemaCheck = {
  enabled: true,
  throwOn: { missing: true, nullish: true, wrongType: true, notInt: true, notUnsigned: false },
};

function check(folder) {
  const problems = [];
  const json = (name) => JSON.parse(readFileSync(path.join(folder, name), "utf8"));
  const load = (what, name, loader) => {
    try {
      return loader(json(name), { schemaCheck });
    } catch (error) {
      problems.push(`${what} ${name}: ${error.message}`);
      return null;
    }
  };
  const info = load("info", "Info.dat", bsmap.loadInfo);
  const shows = new Set();
  for (const entry of info?.difficulties ?? []) {
    const difficulty = load("difficulty", entry.filename, bsmap.loadDifficulty);
    if (difficulty?.version === 4) shows.add(entry.lightshowFilename);
  }
  for (const name of shows) load("lightshow", name, bsmap.loadLightshow);
  const audio = info?.version === 4 ? info.audio.audioDataFilename : "BPMInfo.dat";
  if (info?.version === 4 || existsSync(path.join(folder, audio))) {
    load("audio data", audio, bsmap.loadAudioData);
  }
  return problems;
}

const folders = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(Object.fromEntries(folders.map((one) => [one, check(one)]))));
