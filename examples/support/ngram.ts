/**
 * The baseline that a neural language model must beat: character n-grams with interpolated Witten-Bell smoothing
 * (Witten & Bell 1991; Chen & Goodman 1998, section 2.6).
 *
 *   p(c | h) = (count(h c) + types(h) p(c | h')) / (count(h) + types(h))
 *
 * where h' is h without its oldest character, types(h) the number of distinct characters seen after h, and the empty
 * context falls back to the uniform distribution over the vocabulary. Counts do not depend on the order, so one model
 * of order n also gives every lower order.
 */
export class CharacterNgrams {
  /** A trie of everything up to `order` characters long that occurs. Node 0 is the empty string. */
  private readonly children = new Map<number, number>();
  private readonly counts = [0];
  /** How many characters followed each node, and how many distinct ones. */
  private readonly followers = [0];
  private readonly types = [0];

  constructor(
    readonly order: number,
    readonly vocabularySize: number,
    training: Int32Array,
  ) {
    let contexts = [0];
    for (const token of training) contexts = this.following(contexts, order, (context) => this.count(context, token));
  }

  /**
   * Mean -log2 p over `tokens`. The first one is context only, as it is for a network that starts with it.
   * `order` may be any from 1 to that of the model.
   */
  bitsPerCharacter(tokens: Int32Array, order = this.order): number {
    let contexts = [0];
    let bits = 0;
    tokens.forEach((token, index) => {
      if (index > 0) bits -= Math.log2(this.probability(contexts, token));
      contexts = this.following(contexts, order, (context) => this.child(context, token));
    });
    return bits / (tokens.length - 1);
  }

  /** p(token | the longest of `contexts`), from the shortest up. */
  private probability(contexts: readonly number[], token: number): number {
    let probability = 1 / this.vocabularySize;
    for (const context of contexts) {
      const types = this.types[context]!;
      // The last characters of the training text may be a context that nothing followed.
      if (types === 0) break;
      const child = this.child(context, token);
      const count = child === undefined ? 0 : this.counts[child]!;
      probability = (count + types * probability) / (this.followers[context]! + types);
    }
    return probability;
  }

  /** The nodes of the last 0, 1, ... order-1 characters, once another one is read; up to the longest that is known. */
  private following(
    contexts: readonly number[],
    order: number,
    step: (context: number) => number | undefined,
  ): number[] {
    const result = [0];
    for (const context of contexts) {
      const child = step(context);
      if (child === undefined) break;
      if (result.length < order) result.push(child);
    }
    return result;
  }

  private child(context: number, token: number): number | undefined {
    return this.children.get(context * this.vocabularySize + token);
  }

  private count(context: number, token: number): number {
    let child = this.child(context, token);
    if (child === undefined) {
      child = this.counts.length;
      this.children.set(context * this.vocabularySize + token, child);
      this.counts.push(0);
      this.followers.push(0);
      this.types.push(0);
      this.types[context]!++;
    }
    this.counts[child]!++;
    this.followers[context]!++;
    return child;
  }
}
