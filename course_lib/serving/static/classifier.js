// A bundle's classifier, step by step what course_lib.deployment.classifier does in Python.

import {loadAndCompile, loadLiteRt, Tensor} from "./litert/core.js";
import {Tokenizer} from "./tokenizers/tokenizers.js";
import {ENTITIES} from "./entities.js";

const COMMENT = /<!--.*?-->/gs;
const TAG = /<\/?[a-zA-Z][^<>]*>/g;
const REFERENCE = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;
// The tokenizer takes half of such a character for the whole, and then does not know it for a word of its own.
const IDEOGRAPH = /[\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;
// What Python takes for white space; \s has U+FEFF, too, and lacks five controls.
const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const WINDOWS_1252 = new TextDecoder("windows-1252");

// Plain words of a text, as imdb.split_words: tags become spaces, references characters.
export function splitWords(text) {
  text = text.replace(/\p{Surrogate}/gu, "?");  // Half of a character; deployment.Classifier does so.
  const end = text.lastIndexOf("-->") + 3;  // Behind it no comment can end: see imdb.split_words.
  if (end > 2) text = text.slice(0, end).replace(COMMENT, " ") + text.slice(end);
  text = text.replace(TAG, " ").replace(REFERENCE, (_, name) => character(name));
  return text.split(SPACES).filter(Boolean);
}

// What a character reference stands for, as HTML 5 and Python's html.unescape say.
function character(name) {
  if (name[0] !== "#") {
    if (Object.hasOwn(ENTITIES, name)) return ENTITIES[name];
    for (let end = name.length - 1; end > 1; end--) {
      const known = name.slice(0, end);
      if (Object.hasOwn(ENTITIES, known)) return ENTITIES[known] + name.slice(end);
    }
    return `&${name}`;
  }
  const number = /[xX]/.test(name[1]) ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10);
  if (number >= 0x80 && number <= 0x9f) return WINDOWS_1252.decode(new Uint8Array([number]));
  if (!number || (number >= 0xd800 && number <= 0xdfff) || number > 0x10ffff) return "\ufffd";
  const found = String.fromCodePoint(number);
  return /[^\t\n\f\r\P{Cc}]|\p{Noncharacter_Code_Point}/u.test(found) ? "" : found;
}

// At most `length` tokens, as imdb.truncate: of "both" ends, the first ones and the last ones.
export function truncate(ids, length, how) {
  if (ids.length <= length) return ids;
  const head = {head: length, tail: 0, both: Math.ceil(length / 2)}[how];
  return [...ids.slice(0, head), ...ids.slice(ids.length - length + head)];
}

export function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = [...logits].map(logit => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map(power => power / sum);
}

export class Classifier {
  // `files` gives the content of card.json and tokenizer.json, parsed, and of model.tflite, as bytes.
  static async load(base, {card, tokenizer, model}) {
    self.Module = {  // For LiteRT's loader.
      locateFile: name => new URL(`litert/wasm/${name}`, base).href,
      printErr: line => /^(INFO|WARNING):/.test(line) || console.error(line),
    };
    await loadLiteRt(new URL("litert/wasm/", base).href);
    return new Classifier(card, tokenizer, await loadAndCompile(model, {accelerator: "wasm"}));
  }

  constructor(card, tokenizer, model) {
    this.card = card;
    // Without special tokens: "[SEP]" in a text is text, and ends nothing.
    const added_tokens = tokenizer.added_tokens.filter(token => !token.special);
    this.tokenizer = new Tokenizer({...tokenizer, added_tokens}, {});
    [this.first, this.last, this.mask] = ["[CLS]", "[SEP]", "[MASK]"].map(name => this.tokenizer.token_to_id(name));
    this.model = model;
    const lengths = Object.keys(model.signatures).map(name => name.match(/^b1_l([0-9]+)$/)?.[1]);
    this.lengths = lengths.filter(Boolean).map(Number).sort((a, b) => a - b);  // A text takes the smallest that holds it.
    this.longest = this.lengths.at(-1);
  }

  // Token ids of a text, without special ones and whole.
  tokens(text) {
    // A capital sigma that ends a word would become another letter than in Python.
    text = text.replaceAll("\u03a3", "\u03c3").replace(IDEOGRAPH, " $& ");
    return this.tokenizer.encode(text, {add_special_tokens: false}).ids;
  }

  // What the model sees of some tokens.
  frame(ids) {
    return [this.first, ...truncate(ids, this.longest - 2, this.card.truncation), this.last];
  }

  encode(text) {
    return this.frame(this.tokens(splitWords(text).join(" ")));
  }

  // What the network gives for one sequence of token ids, at the smallest padded length that holds it.
  async logits(ids) {
    const length = this.lengths.find(each => each >= ids.length);
    const inputs = {
      token_ids: new Int32Array(length),
      segment_ids: new Int32Array(length),
      padding_mask: new Int32Array(length).fill(1, 0, ids.length),
    };
    inputs.token_ids.set(ids);
    for (const name in inputs) inputs[name] = new Tensor(inputs[name], [1, length]);
    let outputs = [];
    try {
      outputs = Object.values(await this.model.signatures[`b1_l${length}`].run(inputs));
      return outputs[0].toTypedArray();
    } finally {
      for (const tensor of [...Object.values(inputs), ...outputs]) tensor.delete();  // Else they stay for ever.
    }
  }

  probabilities(logits) {
    return softmax([...logits].map(logit => logit / this.card.temperature));
  }

  async predict(text) {
    const words = splitWords(text);
    const tokens = this.tokens(words.join(" "));
    const ids = this.frame(tokens);
    const logits = [...await this.logits(ids)];
    const probabilities = this.probabilities(logits);
    const best = probabilities.indexOf(Math.max(...probabilities));
    return {
      label: this.card.labels[best],
      probability: probabilities[best],
      probabilities,
      logits,
      ids,
      words: words.length,
      tokens: tokens.length + 2,
      truncated: tokens.length + 2 > this.longest,
    };
  }

  // By how much the verdict's probability falls when a word is hidden behind [MASK], a prediction per word:
  // first `{words, seen}`, all words and the places of those that the model sees, then `{place, change}` of each.
  async *explain(text) {
    const words = splitWords(text);
    const parts = words.map(word => this.tokens(word));
    const owners = parts.flatMap((ids, word) => ids.map(() => word));
    const flat = parts.flat();
    const kept = truncate([...flat.keys()], this.longest - 2, this.card.truncation);
    const seen = [...new Set(kept.map(token => owners[token]))];
    yield {words, seen};
    const without = async word => {
      const ids = kept.map(token => (owners[token] === word ? this.mask : flat[token]));
      return this.probabilities(await this.logits(this.frame(ids)));
    };
    const whole = await without(null);
    const verdict = whole.indexOf(Math.max(...whole));
    for (const place of seen) yield {place, change: whole[verdict] - (await without(place))[verdict]};
  }
}
