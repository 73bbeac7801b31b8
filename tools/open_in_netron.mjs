// Opens packages in Netron's own reader, without a browser: open_in_netron.mjs NETRON PACKAGE...
// NETRON is the folder of its Python package. Prints what each graph shows, and fails where a graph
// is empty, a node has no type or no output, an input comes from nowhere or a weight has no numbers.
import * as fs from 'fs';
import * as path from 'path';
import * as url from 'url';

const netron = path.resolve(process.argv[2]);
const load = (name) => import(url.pathToFileURL(path.join(netron, name)));
const base = await load('base.js');
const view = await load('view.js');

// What Netron asks of the program around it.
class Folder {
    constructor(folder, identifier) {
        this.folder = folder;
        this.identifier = identifier;
        this.stream = new base.BinaryStream(new Uint8Array(fs.readFileSync(path.join(folder, identifier))));
        this.entries = new Map();
    }

    async asset(file) {
        return fs.readFileSync(path.join(netron, file), 'utf-8');
    }

    async request(file, encoding) {
        if (encoding) return this.asset(file);
        return new base.BinaryStream(new Uint8Array(fs.readFileSync(path.join(this.folder, file))));
    }

    fetch(file) {
        return this.request(file);
    }

    require(id) {
        return load(`${id}.js`);
    }

    error(error) {
        throw error;
    }
}

const require_that = (holds, text) => {
    if (!holds) throw new Error(text);
};

function check(graph) {
    const known = new Set(graph.inputs.flatMap((port) => port.value.map((value) => value.name)));
    let weights = 0;
    for (const node of graph.nodes) {
        require_that(node.type && node.type.name, `a node of ${graph.name} has no type`);
        for (const argument of node.outputs) argument.value.forEach((value) => known.add(value.name));
    }
    for (const node of graph.nodes) {
        for (const argument of node.inputs.filter((input) => Array.isArray(input.value))) {
            for (const value of argument.value.filter((item) => item && item.name !== undefined)) {
                const tensor = value.initializer;
                require_that(tensor || known.has(value.name), `${value.name} comes from nowhere`);
                if (!tensor) continue;
                ++weights;
                const shown = new base.Tensor(tensor);
                const count = tensor.type.shape.dimensions.reduce((a, b) => a * Number(b), 1);
                require_that(!shown.empty, `${value.name} has no numbers`);
                require_that([shown.value].flat(Infinity).length === count, `${value.name} lacks numbers`);
            }
        }
    }
    require_that(graph.nodes.length > 0, `${graph.name} is empty`);
    return `${graph.name}: ${graph.nodes.length} nodes, ${weights} weights, ` +
        `${graph.inputs.length} inputs, ${graph.outputs.length} outputs`;
}

for (const name of process.argv.slice(3)) {
    const context = new Folder(name, 'Manifest.json');
    const host = { environment: () => null, require: (id) => load(`${id}.js`), event: () => {} };
    const model = await new view.ModelFactoryService(host).open(context);
    const graphs = model.modules || model.graphs;
    console.log(`ok  ${path.basename(name)}  ${model.format}`);
    for (const graph of (model.functions || []).concat(graphs)) console.log(`    ${check(graph)}`);
}
