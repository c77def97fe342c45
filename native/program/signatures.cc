#include "program/signatures.h"

#include <sstream>

namespace lstm {
namespace {

// Slots are words: `name`, `name?` optional, `name*` a list, `name!` an output on demand; then `=operand` for an output
// that overwrites an operand, then `:dtype` unless float32. Attributes are `name:kind`, or `name*n:integers` for n of them;
// packs are `operand:kind`, and missing where the operand is.
struct Row {
  const char* name;
  const char* operands;
  const char* outputs;
  const char* attributes = "";
  const char* packs = "";
};

constexpr Row kRows[] = {
    {"add", "a b", "y"},
    {"subtract", "a b", "y"},
    {"multiply", "a b", "y"},
    {"divide", "a b", "y"},
    {"sigmoid", "x", "y"},
    {"tanh", "x", "y"},
    {"relu", "x", "y"},
    {"exp", "x", "y"},
    {"log", "x", "y"},
    {"sigmoid_backward", "y dy", "dx"},
    {"tanh_backward", "y dy", "dx"},
    {"relu_backward", "y dy", "dx"},
    {"softplus", "x", "y"},
    {"softplus_backward", "x dy", "dx"},
    {"abs", "x", "y"},
    {"abs_backward", "x dy", "dx"},
    {"huber", "x", "y", "delta:number"},
    {"huber_backward", "x dy", "dx", "delta:number"},
    {"pinball", "error level", "y"},
    {"pinball_backward", "error level dy", "derror"},
    {"fill", "", "y", "value:number"},
    {"constant", "", "y", "values:numbers"},
    {"dropout", "x key:int32", "y", "p:number stream:integer"},
    {"bernoulli", "key:int32", "y", "p:number stream:integer"},

    {"broadcast", "x", "y"},
    {"reshape", "x:any", "y:any"},
    {"transpose", "x:any", "y:any", "permutation:integers"},
    {"concat", "x*:any", "y:any", "axis:integer"},
    {"slice", "x:any", "y:any", "axis:integer begin:integer end:integer"},
    {"slice_backward", "dy", "dx", "axis:integer begin:integer"},
    {"sum", "x", "y", "axes:integers keep_dims:boolean"},
    {"mean", "x", "y", "axes:integers keep_dims:boolean"},
    {"mean_backward", "dy", "dx", "axes:integers"},

    {"softmax", "x", "y"},
    {"softmax_backward", "y dy", "dx"},
    {"cross_entropy", "logits targets:int32 weights?", "loss total_weight log_sum_exp!", "ignore_index:integer"},
    {"cross_entropy_backward", "dloss logits targets:int32 weights? log_sum_exp total_weight", "dlogits",
     "ignore_index:integer"},
    {"accuracy", "logits targets:int32 weights?", "accuracy", "ignore_index:integer"},
    {"mean_squared_error", "prediction target weights?", "loss total_weight"},
    {"mean_squared_error_backward", "dloss prediction target weights? total_weight", "dprediction"},
    {"weighted_mean", "x weights?", "mean total_weight", "row_axes:integer"},
    {"weighted_mean_backward", "dmean weights? total_weight", "dx"},

    {"linear", "x weight bias? lengths?:int32", "y", "", "weight:columns"},
    {"linear_backward_input", "dy weight lengths?:int32", "dx", "", "weight:rows"},
    {"linear_backward_weight", "dy x lengths?:int32", "dweight"},
    {"linear_backward_bias", "dy lengths?:int32", "dbias"},
    {"matmul", "a b", "y", "transpose_a:boolean transpose_b:boolean"},
    {"embedding", "tokens:int32 weight scale?", "y"},
    {"embedding_backward", "dy tokens:int32 scale?", "dweight"},

    {"layer_norm", "x weight? bias? lengths?:int32", "y mean! rstd!", "eps:number"},
    {"layer_norm_backward", "dy x mean rstd weight? lengths?:int32", "dx! dweight! dbias!"},

    {"mean_pooling", "x lengths?:int32", "y"},
    {"mean_pooling_backward", "dy lengths?:int32", "dx"},
    {"max_pooling", "x lengths?:int32", "y index!:int32"},
    {"max_pooling_backward", "dy index:int32", "dx"},
    {"weighted_pooling", "x weights lengths?:int32", "y"},
    {"weighted_pooling_backward", "dy x weights lengths?:int32", "dx! dweights!"},
    {"masked_softmax", "x lengths?:int32", "y"},
    {"masked_softmax_backward", "y dy lengths?:int32", "dx"},
    {"mask_steps", "x lengths:int32", "y"},
    {"last_steps", "x lengths?:int32", "y", "count:integer"},
    {"last_steps_backward", "dy lengths?:int32", "dx", "count:integer"},

    {"lstm",
     "x h0? c0? weight_ih weight_hh bias_ih? bias_hh? weight_peephole? weight_hr? keep_hidden? keep_cell? hidden_mask? "
     "g0? weight_gate? weight_ln_ih? weight_ln_hh? weight_ln_c? bias_ln_c? lengths?:int32",
     "y! h_n! c_n! gates! cells! unprojected! recurred! g_n! bounds! normalized_ih! normalized_hh! normalized_c! "
     "scales!",
     "reverse:boolean activations*5:integers cell_clip:number gate_clip:number",
     "weight_ih:gates4 weight_hh:gates4 weight_hr:columns weight_gate:gates3"},
    {"lstm_backward",
     "dy? dh_n? dc_n? gates cells c0? weight_hh weight_peephole? weight_hr? keep_hidden? keep_cell? hidden_mask? "
     "dg_n? weight_gate? weight_ln_ih? weight_ln_hh? weight_ln_c? bias_ln_c? bounds? normalized_ih? normalized_hh? "
     "normalized_c? scales? lengths?:int32",
     "dgates dh0! dc0! dprojected! dg0! dh! dcells! dinput! drecurrent! dvisible!",
     "reverse:boolean activations*5:integers cell_clip:number gate_clip:number",
     "weight_hh:rows weight_hr:rows weight_gate:rows"},
    {"lstm_backward_weight", "dgates y h0? lengths?:int32", "dweight_hh", "reverse:boolean"},
    {"lstm_backward_peephole", "dgates cells c0? lengths?:int32", "dweight_peephole", "reverse:boolean"},
    {"lstm_backward_norm", "dgates dvisible normalized_ih normalized_hh normalized_c",
     "dweight_ln_ih! dweight_ln_hh! dweight_ln_c! dbias_ln_c!"},
    {"lstm_step",
     "x h c weight_ih weight_hh bias_ih? bias_hh? weight_peephole? weight_hr? keep_hidden? keep_cell? hidden_mask? "
     "g? weight_gate? weight_ln_ih? weight_ln_hh? weight_ln_c? bias_ln_c?",
     "h_next c_next gates! unprojected! g_next! bounds! normalized_ih! normalized_hh! normalized_c! scales!",
     "activations*5:integers cell_clip:number gate_clip:number",
     "weight_ih:gates4 weight_hh:gates4 weight_hr:columns weight_gate:gates3"},

    {"attention_lstm",
     "x h0? c0? weight_ih weight_hh bias_ih? bias_hh? keys values weight_query? weight_score? memory_lengths?:int32 "
     "lengths?:int32",
     "y! h_n! c_n! gates! cells! unattended! queries! attention!", "reverse:boolean",
     "weight_ih:gates4 weight_hh:gates4 weight_query:columns"},
    {"attention_lstm_backward",
     "dy? dh_n? dc_n? gates cells c0? unattended queries attention weight_hh keys values weight_query? weight_score? "
     "memory_lengths?:int32 lengths?:int32",
     "dgates dh0! dc0! dkeys! dvalues! dqueries! dweight_score! dh! dcells!", "reverse:boolean",
     "weight_hh:rows weight_query:rows"},
    {"attention_lstm_step",
     "x h c weight_ih weight_hh bias_ih? bias_hh? keys values weight_query? weight_score? memory_lengths?:int32",
     "h_next c_next gates! unattended! queries! attention!", "",
     "weight_ih:gates4 weight_hh:gates4 weight_query:columns"},

    {"gru", "x h0? weight_ih weight_hh bias_ih? bias_hh? keep_hidden? hidden_mask? lengths?:int32",
     "y! h_n! gates! recurrent!", "reverse:boolean reset_after:boolean", "weight_ih:gru_gates weight_hh:gru_gates"},
    {"gru_backward", "dy? dh_n? gates recurrent y h0? weight_hh keep_hidden? hidden_mask? lengths?:int32",
     "dgates drecurrent dh0! dh!", "reverse:boolean reset_after:boolean", "weight_hh:rows"},
    {"gru_backward_weight", "dgates drecurrent recurrent y h0? lengths?:int32", "dweight_hh",
     "reverse:boolean reset_after:boolean"},
    {"gru_step", "x h weight_ih weight_hh bias_ih? bias_hh? keep_hidden? hidden_mask?", "h_next gates! recurrent!",
     "reset_after:boolean", "weight_ih:gru_gates weight_hh:gru_gates"},

    {"rnn", "x h0? weight_ih weight_hh bias_ih? bias_hh? keep_hidden? hidden_mask? lengths?:int32", "y! h_n! gates!",
     "reverse:boolean relu:boolean", "weight_ih:columns weight_hh:columns"},
    {"rnn_backward", "dy? dh_n? gates weight_hh keep_hidden? hidden_mask? lengths?:int32", "dgates dh0! dh!",
     "reverse:boolean relu:boolean", "weight_hh:rows"},
    {"rnn_backward_weight", "dgates y h0? lengths?:int32", "dweight_hh", "reverse:boolean"},
    {"rnn_step", "x h weight_ih weight_hh bias_ih? bias_hh? keep_hidden? hidden_mask?", "h_next gates!", "relu:boolean",
     "weight_ih:columns weight_hh:columns"},

    {"slstm", "x h0? c0? n0? m0? weight_ih weight_hh bias_ih? bias_hh? lengths?:int32",
     "y! h_n! c_n! n_n! m_n! gates! forget_slope! cells! normalizers! stabilizers!",
     "reverse:boolean exponential_forget:boolean", "weight_ih:gates4 weight_hh:heads4"},
    {"slstm_backward",
     "dy? dh_n? dc_n? dn_n? dm_n? gates forget_slope? cells normalizers c0? n0? weight_hh lengths?:int32",
     "dgates dh0! dc0! dn0! dm0! dh! dcells!", "reverse:boolean", "weight_hh:heads4_rows"},
    {"slstm_backward_weight", "dgates y h0? lengths?:int32", "dweight_hh", "reverse:boolean head_size:integer"},
    {"slstm_step", "x h c n m weight_ih weight_hh bias_ih? bias_hh?",
     "h_next c_next n_next m_next gates! forget_slope!", "exponential_forget:boolean",
     "weight_ih:gates4 weight_hh:heads4"},

    {"gradient_norm", "gradients*", "norm:float64"},
    {"clip_scale", "norm:float64 max_norm:float64", "scale:float64"},
    {"sgd",
     "parameters* gradients* learning_rate:float64 weight_decay:float64 scale?:float64 clip_value?:float64 "
     "momenta* begun*:float64",
     "parameters*=parameters momenta*=momenta begun*=begun:float64",
     "groups:integers momentum:number dampening:number nesterov:boolean"},
    {"adagrad",
     "parameters* gradients* learning_rate:float64 weight_decay:float64 scale?:float64 clip_value?:float64 "
     "sums* steps:float64",
     "parameters*=parameters sums*=sums steps=steps:float64", "groups:integers lr_decay:number eps:number"},
    {"rmsprop",
     "parameters* gradients* learning_rate:float64 weight_decay:float64 scale?:float64 clip_value?:float64 "
     "variances* gradient_averages* momenta*",
     "parameters*=parameters variances*=variances gradient_averages*=gradient_averages momenta*=momenta",
     "groups:integers alpha:number eps:number momentum:number centered:boolean"},
    {"adam",
     "parameters* gradients* learning_rate:float64 weight_decay:float64 scale?:float64 clip_value?:float64 "
     "first_moments* second_moments* max_second_moments* powers:float64",
     "parameters*=parameters first_moments*=first_moments second_moments*=second_moments "
     "max_second_moments*=max_second_moments powers=powers:float64",
     "groups:integers beta1:number beta2:number eps:number decoupled:boolean amsgrad:boolean"},
    {"gradient_sum", "gradients* sums* weight? total_weight:float64 keep:float64",
     "sums*=sums total_weight=total_weight:float64"},
    {"gradient_mean", "sums* total_weight:float64", "gradients*"},
};

std::vector<std::string> words(const char* text) {
  std::istringstream stream(text);
  std::vector<std::string> found;
  for (std::string word; stream >> word;) found.push_back(word);
  return found;
}

// Splits off what follows the separator; empty when there is none.
std::string take_suffix(std::string& word, char separator) {
  const size_t position = word.find(separator);
  if (position == std::string::npos) return "";
  const std::string suffix = word.substr(position + 1);
  word.erase(position);
  return suffix;
}

int slot_index(const std::vector<SlotSignature>& slots, const std::string& name) {
  for (size_t index = 0; index < slots.size(); ++index) {
    if (slots[index].name == name) return static_cast<int>(index);
  }
  return -1;
}

Arity take_arity(std::string& word) {
  const char last = word.back();
  if (last != '?' && last != '*' && last != '!') return Arity::one;
  word.pop_back();
  return last == '?' ? Arity::optional : last == '*' ? Arity::many : Arity::on_demand;
}

std::vector<SlotSignature> parse_slots(const char* text, const std::vector<SlotSignature>& operands) {
  std::vector<SlotSignature> slots;
  for (std::string word : words(text)) {
    const std::string dtype = take_suffix(word, ':');
    const std::string operand = take_suffix(word, '=');
    const Arity arity = take_arity(word);
    slots.push_back({word, dtype.empty() ? "float32" : dtype, arity, slot_index(operands, operand)});
  }
  return slots;
}

PackKind pack_kind(const std::string& name) {
  if (name == "columns") return PackKind::columns;
  if (name == "rows") return PackKind::rows;
  if (name == "heads4") return PackKind::heads4;
  if (name == "heads4_rows") return PackKind::heads4_rows;
  if (name == "gru_gates") return PackKind::gru_gates;
  return name == "gates3" ? PackKind::gates3 : PackKind::gates4;
}

int kernel_index(const std::string& name) {
  for (int index = 0; index < kKernelCount; ++index) {
    if (name == kKernelNames[index]) return index;
  }
  return -1;
}

Signature parse(const Row& row) {
  Signature signature{row.name, parse_slots(row.operands, {}), {}, {}, {}, kernel_index(row.name)};
  signature.outputs = parse_slots(row.outputs, signature.operands);
  for (std::string word : words(row.attributes)) {
    const std::string kind = take_suffix(word, ':');
    const std::string count = take_suffix(word, '*');
    signature.attributes.push_back({word, kind, count.empty() ? 0 : static_cast<size_t>(std::stoi(count))});
  }
  for (std::string word : words(row.packs)) {
    const std::string kind = take_suffix(word, ':');
    signature.packs.push_back({slot_index(signature.operands, word), pack_kind(kind)});
  }
  return signature;
}

}  // namespace

const std::vector<Signature>& signatures() {
  // Never destroyed: the compute thread may read it while the process exits.
  static const auto* const list = [] {
    auto* parsed = new std::vector<Signature>;
    for (const Row& row : kRows) parsed->push_back(parse(row));
    return parsed;
  }();
  return *list;
}

}  // namespace lstm
