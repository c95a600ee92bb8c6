// The shapes that the server sends; nothing runs here.

/**
 * @typedef {{name: string, title: string, abbreviation: string, color: string, key: string, counted: boolean}} CellClass
 *
 * @typedef {object} Cell
 * @property {string} id
 * @property {string} field
 * @property {[number, number, number, number]} box px of the field: left, top, right, bottom
 * @property {string} machine what the machine said
 * @property {string | null} person what a person said, null where nobody did
 * @property {number} confidence 0-1
 * @property {[string, number][]} leading the likeliest classes with their probabilities
 * @property {string} note
 * @property {boolean} atypical
 * @property {boolean} looked
 * @property {boolean} added
 * @property {boolean} removed
 *
 * @typedef {object} CountRow
 * @property {string} type
 * @property {number} count
 * @property {number | null} percent 0-100
 * @property {number | null} low of the 95 % interval
 * @property {number | null} high
 * @property {number | null} reference_low
 * @property {number | null} reference_high
 * @property {string} flag
 * @property {number} machine_count
 *
 * @typedef {{value: number | null, low: number | null, high: number | null, flag?: string}} Estimate
 *
 * @typedef {object} Differential
 * @property {number} n
 * @property {number} unidentified
 * @property {CountRow[]} rows
 * @property {Estimate | null} nlr
 * @property {Estimate | null} erythroblasts_per_100
 *
 * @typedef {{name: string, reader: number, at?: string, reason?: string, statement?: string}} Signature
 * @typedef {{field_id: string, width: number | null, height: number | null, n_cells: number}} Field
 *
 * @typedef {object} Slide
 * @property {string} slide_id
 * @property {string} [content]
 * @property {string} status
 * @property {number} version
 * @property {number | null} um_per_px
 * @property {Field[]} fields
 * @property {CellClass[]} classes
 * @property {Cell[]} cells
 * @property {Differential} differential
 * @property {string[]} remarks
 * @property {string} comment
 * @property {Signature[]} signatures
 * @property {string[]} may_sign
 * @property {boolean} undo
 * @property {boolean} redo
 * @property {number} readers
 * @property {number} [reader]
 * @property {boolean} [locked] for whoever looks
 * @property {string[]} [can] what the role allows
 * @property {Agreement | null} [agreement] of two readers, once both have signed
 *
 * @typedef {{pairs: number, only_first: number, only_second: number, kappa: {value: number, low: number | null, high: number | null} | null, awaits_third: boolean, differences: Record<string, any>[]}} Agreement
 *
 * @typedef {object} Answer what every change answers, each part only where there is one
 * @property {number} [version]
 * @property {string} [status]
 * @property {Differential} [differential]
 * @property {Record<string, string | null>} [changed]
 * @property {string[]} [looked]
 * @property {string[]} [not_looked]
 * @property {Record<string, boolean>} [removed]
 * @property {Cell[]} [cells]
 * @property {Cell} [cell]
 * @property {Signature[]} [signatures]
 * @property {string[]} [remarks]
 * @property {string[]} [may_sign]
 * @property {boolean} [undo]
 * @property {boolean} [redo]
 *
 * @typedef {{number: number, version: number, actor: string, kind: string, payload: Record<string, any>}} RecordEvent
 * @typedef {Answer & {events: RecordEvent[]}} News
 *
 * @typedef {object} Operation a change on its way to the server
 * @property {"reclassified" | "looked_at" | "cell_removed" | "cell_restored" | "commented" | "undo" | "redo"} kind
 * @property {Record<string, any>} payload
 * @property {boolean} [unsure] it was sent, and no answer came
 * @property {number} [since] the version before it was first sent
 * @property {Step | null} [step] what an undo or redo does to the cells, as far as this page knows
 *
 * @typedef {{person: Record<string, string | null>, removed: Record<string, boolean>}} Step
 */

export {};
