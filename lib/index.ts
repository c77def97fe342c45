/** The public names of lstm-native. */
export type { ArrayView, NumberArray } from './backend/backend';
export { getThreads, nativeInfo, setThreads } from './backend/native/native';
export type { Batch, Batches, BatchInputs, Data, DataTraits, Tensor } from './data/batch';
export { Labels, type LabelsJson } from './data/labels';
export type { SequenceBatches, SequenceBatchOptions } from './data/sequences/batches';
export type { SequenceInput } from './data/sequences/inputs';
export type { Recognition, RecognizeOptions, Recognizer } from './data/sequences/predict';
export { sequences, type SequenceCorpus, type SequenceOptions, type SequencePart } from './data/sequences/sequences';
export type { Label } from './data/sequences/targets';
export {
  calendar,
  Calendar,
  type CalendarEncoding,
  type CalendarFeature,
  type CalendarFunction,
  type CalendarOptions,
} from './data/series/calendar';
export { SeriesFormat, type MissingPolicy, type SeriesFormatSpec } from './data/series/format';
export type { Frequency, FrequencyName } from './data/series/frequency';
export type { FormatOptions, SeriesOptions, TimeValue } from './data/series/options';
export type { CsvOptions, CsvRow, SeriesColumns, SeriesReaders } from './data/series/readers';
export type { Scaler, Scaling, ScalingKind, ScalingOptions } from './data/series/scaling';
export { Series, type Origin, type SeriesPart, type WindowAtOptions } from './data/series/series';
export type { Split } from './data/series/split';
export type { Fractions, PartName } from './data/split';
export type { OriginOptions, SeriesWindows, WindowOptions, WindowSizes } from './data/series/windows';
export type { AddingProblemOptions } from './data/synthetic/addingProblem';
export type { SyntheticBatches, SyntheticOptions } from './data/synthetic/batches';
export type { CopyMemoryBatches, CopyMemoryOptions } from './data/synthetic/copyMemory';
export type { MackeyGlassOptions } from './data/synthetic/mackeyGlass';
export type { NoisySinesOptions } from './data/synthetic/noisySines';
export type { ReberString } from './data/synthetic/reber';
export { synthetic } from './data/synthetic/synthetic';
export type { TextBatches, TextBatchOptions } from './data/text/batches';
export type { TextFileOptions, TextOptions } from './data/text/options';
export type { TextPart } from './data/text/part';
export type { TextStream } from './data/text/streams';
export { text, type Corpus } from './data/text/text';
export type { ByteVocabulary } from './data/vocabularies/bytes';
export type { CharacterVocabulary, VocabularyJson } from './data/vocabularies/characters';
export type { Tokenizer, TokenizerVocabulary } from './data/vocabularies/tokenizer';
export { WordVocabulary, type WordVocabularyJson, type WordVocabularyOptions } from './data/vocabularies/words';
export { Vocabulary } from './data/vocabulary';
export * from './errors';
export {
  climatology,
  dampedAnomaly,
  drift,
  naive,
  seasonalNaive,
  type Baseline,
  type BaselineForecast,
  type ClimatologyOptions,
  type DampedAnomalyOptions,
  type SeriesHistory,
  type SeasonalNaiveOptions,
} from './forecast/baselines';
export { backtest, type Backtest, type BacktestOptions, type Refit } from './forecast/backtest';
export { calibrate, type Calibration } from './forecast/calibration';
export { forecast, type ForecastOptions, type ForecastRecord } from './forecast/forecast';
export * as metrics from './forecast/metrics';
export type { PredictionOptions } from './forecast/options';
export type { Column } from './forecast/reading';
export type {
  BandFigures,
  BaselineFigures,
  ErrorFigures,
  OriginFigures,
  OriginForecast,
  Scores,
  StepFigures,
} from './forecast/scores';
export { ForecastSeries, series } from './forecast/series';
export type { ModuleClasses } from './model/architecture';
export { generate, type GenerateOptions } from './model/generate';
export { load, type LoadOptions } from './model/load';
export type { SaveOptions } from './model/save';
export {
  Module,
  type Inputs,
  type OutputTensor,
  type ParameterInfo,
  type Prediction,
  type PredictOptions,
} from './model/module';
export type { ModuleOptions } from './model/options';
export { Sequential, sequential } from './model/sequential';
export { Session, type StepInput } from './model/session';
export type { StateDict } from './model/stateDict';
export { verify, type EquationCheck, type Verification, type VerifyOptions } from './model/verify';
export { vjp, type VjpOptions, type VjpResult } from './model/vjp';
export {
  AttentionLstm,
  attentionLstm,
  type AttentionLstmCallOptions,
  type AttentionLstmOptions,
  type AttentionLstmOutput,
  type AttentionLstmRecord,
  type AttentionScore,
} from './nn/attentionLstm';
export { Dropout, dropout } from './nn/dropout';
export { Embedding, embedding, type EmbeddingOptions } from './nn/embedding';
export {
  Gru,
  gru,
  type GruCallOptions,
  type GruOptions,
  type GruOutput,
  type GruRecord,
  type GruState,
} from './nn/gru';
export * from './nn/heads';
export { constant, constantRange, normal, uniform, type Initializer } from './nn/initializer';
export { Layer, type LayerConfig } from './nn/layer';
export { LayerNorm, layerNorm, type LayerNormOptions } from './nn/layerNorm';
export type { LengthOptions } from './nn/lengths';
export { Linear, linear, type LinearOptions } from './nn/linear';
export type { AnyOutputs, Loss, LossFunction, LossTerms, Outputs } from './nn/loss';
export * from './nn/losses';
export {
  Lstm,
  lstm,
  type LstmCallOptions,
  type LstmOptions,
  type LstmOutput,
  type LstmRecord,
  type LstmState,
} from './nn/lstm';
export type { CellActivation, GateActivation, LstmCellOptions, LstmVariant } from './nn/lstmOptions';
export {
  AttentionPooling,
  attentionPooling,
  MaxPooling,
  maxPooling,
  MeanPooling,
  meanPooling,
  type AttentionPoolingOptions,
  type AttentionPoolingOutput,
} from './nn/pooling';
export type { Metric } from './nn/metric';
export type { LayerRecord } from './nn/records';
export { Residual, residual } from './nn/residual';
export {
  Rnn,
  rnn,
  type RnnCallOptions,
  type RnnOptions,
  type RnnOutput,
  type RnnRecord,
  type RnnState,
} from './nn/rnn';
export { Slstm, slstm, type SlstmCallOptions, type SlstmOptions, type SlstmOutput, type SlstmState } from './nn/slstm';
export * from './ops/functions';
export type { Dtype, ValueType, Variable } from './ops/op';
export type { Dim, Shape } from './ops/shape';
export { adagrad, type AdagradOptions } from './optim/adagrad';
export { adam, adamW, type AdamOptions } from './optim/adam';
export type { Group, GroupedOptions, ParameterGroup, ParameterPlace } from './optim/groups';
export type { Optimizer } from './optim/optimizer';
export { rmsprop, type RmspropOptions } from './optim/rmsprop';
export type { Json, Schedule, SchedulePoint } from './optim/schedule';
export { cosine, cosineRestarts } from './optim/schedules/cosine';
export { exponentialDecay, linearDecay, multiStepDecay, stepDecay } from './optim/schedules/decay';
export { oneCycle, type OneCycleOptions } from './optim/schedules/oneCycle';
export { reduceOnPlateau, type ReduceOnPlateauOptions } from './optim/schedules/reduceOnPlateau';
export { perEpoch, warmup } from './optim/schedules/warmup';
export { sgd, type SgdOptions } from './optim/sgd';
export type { CheckpointOptions } from './train/checkpointing';
export type { Best, EarlyStoppingOptions, WatchOptions } from './train/earlyStopping';
export type { EvaluateOptions } from './train/evaluator';
export type { Figures } from './train/figures';
export type { FitOptions } from './train/fitOptions';
export {
  Run,
  type BestEpoch,
  type CheckpointEvent,
  type EpochEvent,
  type History,
  type ResumeEvent,
  type SkipEvent,
  type StepEvent,
  type TrainingEvent,
  type WarningEvent,
} from './train/run';
export type { MetricFunction, Metrics, Objective } from './train/step';
export type { StepOptions, StepResult } from './train/stepper';
