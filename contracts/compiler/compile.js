// Reads [{"name", "input"}] (standard JSON inputs) on stdin and writes [{"name", "output"}] on stdout.
// Every ABI entry that has a selector or topic gets one here, because contracts' Python bindings cannot hash.
"use strict";

const fs = require("node:fs");
const solc = require("solc");
const { keccak256 } = require("js-sha3");

function canonicalType(parameter) {
  if (!parameter.type.startsWith("tuple")) return parameter.type;
  const inner = parameter.components.map(canonicalType).join(",");
  return `(${inner})${parameter.type.slice("tuple".length)}`;
}

function signature(entry) {
  return `${entry.name}(${entry.inputs.map(canonicalType).join(",")})`;
}

function hashesOf(abi, kind, characters) {
  const found = {};
  for (const entry of abi) {
    if (entry.type === kind) found[signature(entry)] = keccak256(signature(entry)).slice(0, characters);
  }
  return found;
}

const answers = JSON.parse(fs.readFileSync(0, "utf8")).map(({ name, input }) => {
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  for (const contracts of Object.values(output.contracts ?? {})) {
    for (const contract of Object.values(contracts)) {
      contract.eventTopics = hashesOf(contract.abi, "event", 64);
      contract.errorSelectors = hashesOf(contract.abi, "error", 8);
    }
  }
  return { name, output, version: solc.version() };
});
process.stdout.write(JSON.stringify(answers));
