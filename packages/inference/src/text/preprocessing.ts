/** From a text to token ids. */
import { Tokenizer } from "@huggingface/tokenizers";

/** Most tokens are far shorter, so a longer text is cut by `tokensMax` anyway; 16 leaves room for
 * long words and white space. */
const CHARACTERS_PER_TOKEN = 16;

export interface TextTokens {
  /** At most `tokensMax` ids, special tokens included; works for any string. */
  encode(text: string): number[];
}

/**
 * @param json the parsed `tokenizer.json`; its own truncation and padding are not used
 * @throws Error if it is no tokenizer, or if `tokensMax` leaves no room beside special tokens
 */
export function openTokens(json: object, tokensMax: number, prefix: string): TextTokens {
  const tokenizer = new Tokenizer(json, {});
  const trailing = trailingSpecials(tokenizer);
  const specials: number = tokenizer.encode("").ids.length;
  if (tokensMax <= specials) {
    throw new Error(`tokensMax is ${tokensMax}, but ${specials} special tokens are always added`);
  }
  return {
    encode(text) {
      // Cut before tokenising: 64 KiB take up to 80 ms to tokenise, for ids that are then dropped.
      const bounded = cut(prefix + text, tokensMax * CHARACTERS_PER_TOKEN);
      const ids: number[] = tokenizer.encode(bounded).ids;
      if (ids.length <= tokensMax) return ids;
      return [...ids.slice(0, tokensMax - trailing), ...ids.slice(ids.length - trailing)];
    },
  };
}

/** How many special tokens end every text, such as BERT's [SEP]; a cut must keep them. */
function trailingSpecials(tokenizer: Tokenizer): number {
  const full: number[] = tokenizer.encode("a").ids;
  const bare: number[] = tokenizer.encode("a", { add_special_tokens: false }).ids;
  const start = full.findIndex((_, i) => bare.every((id, k) => full[i + k] === id));
  return start === -1 ? 0 : full.length - start - bare.length;
}

/** The first `lengthMax` UTF-16 units without half a code point at the end; lone surrogates,
 * which tokenizers need not expect, become U+FFFD. */
export function cut(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text.toWellFormed();
  const last = text.charCodeAt(lengthMax - 1);
  const splits = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, splits ? lengthMax - 1 : lengthMax).toWellFormed();
}
