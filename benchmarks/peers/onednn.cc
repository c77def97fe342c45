// oneDNN as a peer: see protocol.ts. Works with oneDNN 2 and 3. Its gates stand in the order of PyTorch's, so the weights
// are read where they are; for its kernels they are reordered once for inference, and once in every training run.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <omp.h>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Clock = std::chrono::steady_clock;

struct Case {
  std::string pass, inputs, outputs;
  int64_t T = 0, B = 0, I = 0, H = 0;
};

// The values that a line of JSON gives to these keys: the lines come from one writer and hold no escapes.
std::string value_of(const std::string& line, const std::string& key) {
  const size_t found = line.find("\"" + key + "\":");
  if (found == std::string::npos) throw std::runtime_error("expected " + key + " in " + line);
  size_t begin = found + key.size() + 3;
  const bool quoted = line[begin] == '"';
  begin += quoted ? 1 : 0;
  return line.substr(begin, line.find_first_of(quoted ? "\"" : ",}", begin) - begin);
}

memory::desc any(const memory::dims& dims) { return {dims, memory::data_type::f32, Tag::any}; }
memory::desc plain(const memory::dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }

class LstmLayer {
 public:
  LstmLayer(const Case& given, const dnnl::engine& engine)
      : case_(given), engine_(engine), stream_(engine), trains_(given.pass == "train") {
    const auto [pass, inputs, outputs, T, B, I, H] = case_;
    x_ = make(plain({T, B, I}, Tag::tnc));
    y_ = make(plain({T, B, H}, Tag::tnc));
    weights_layer_ = make(plain({1, 1, I, 4, H}, Tag::ldgoi));
    weights_iter_ = make(plain({1, 1, H, 4, H}, Tag::ldgoi));
    bias_ = make(plain({1, 1, 4, H}, Tag::ldgo));
    for (memory* state : {&h_0_, &c_0_, &h_n_, &c_n_}) *state = make(plain({1, 1, B, H}, Tag::ldnc));
    read_inputs();
    make_forward();
    if (trains_) make_backward();
    if (!trains_) pack_forward();
    run();
    write_outputs();
  }

  void run() {
    if (trains_) pack_forward();
    forward_.execute(stream_, forward_arguments_);
    if (trains_) {
      reorder(weights_layer_, backward_weights_layer_);
      reorder(weights_iter_, backward_weights_iter_);
      // oneDNN adds to these.
      for (const memory& gradient : {dweights_layer_, dweights_iter_, dbias_}) {
        std::memset(gradient.get_data_handle(), 0, gradient.get_desc().get_size());
      }
      backward_.execute(stream_, backward_arguments_);
    }
    if (case_.pass == "step") {
      std::swap(forward_arguments_.at(DNNL_ARG_SRC_ITER), forward_arguments_.at(DNNL_ARG_DST_ITER));
      std::swap(forward_arguments_.at(DNNL_ARG_SRC_ITER_C), forward_arguments_.at(DNNL_ARG_DST_ITER_C));
    }
    stream_.wait();
  }

 private:
  memory make(const memory::desc& desc) {
    memory made(desc, engine_);
    std::memset(made.get_data_handle(), 0, desc.get_size());
    return made;
  }

  void reorder(memory& from, memory& to) { dnnl::reorder(from, to).execute(stream_, from, to); }
  void pack_forward() {
    reorder(weights_layer_, packed_weights_layer_);
    reorder(weights_iter_, packed_weights_iter_);
  }

  void read_inputs() {
    const auto [pass, inputs, outputs, T, B, I, H] = case_;
    std::ifstream file(case_.inputs, std::ios::binary);
    const auto read = [&](void* data, int64_t count) { file.read(static_cast<char*>(data), 4 * count); };
    read(x_.get_data_handle(), T * B * I);
    read(weights_layer_.get_data_handle(), 4 * H * I);
    read(weights_iter_.get_data_handle(), 4 * H * H);
    std::vector<float> other(static_cast<size_t>(4 * H));
    auto* bias = static_cast<float*>(bias_.get_data_handle());
    read(bias, 4 * H);
    read(other.data(), 4 * H);
    for (int64_t k = 0; k < 4 * H; ++k) bias[k] += other[static_cast<size_t>(k)];
    dy_ = make(plain({T, B, H}, Tag::tnc));
    read(dy_.get_data_handle(), T * B * H);
    if (!file) throw std::runtime_error("the inputs could not be read");
  }

  dnnl::lstm_forward::primitive_desc forward_desc() const {
    const auto kind = trains_ ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const auto direction = dnnl::rnn_direction::unidirectional_left2right;
    const auto state = h_0_.get_desc();
    const auto layer = any(weights_layer_.get_desc().dims()), iter = any(weights_iter_.get_desc().dims());
#if DNNL_VERSION_MAJOR >= 3
    return {engine_, kind, direction, x_.get_desc(), state, state, layer, iter, bias_.get_desc(), y_.get_desc(), state,
            state};
#else
    return {{kind, direction, x_.get_desc(), state, state, layer, iter, bias_.get_desc(), y_.get_desc(), state, state},
            engine_};
#endif
  }

  void make_forward() {
    forward_pd_ = forward_desc();
    forward_ = dnnl::lstm_forward(forward_pd_);
    packed_weights_layer_ = make(forward_pd_.weights_layer_desc());
    packed_weights_iter_ = make(forward_pd_.weights_iter_desc());
    forward_arguments_ = {{DNNL_ARG_SRC_LAYER, x_},
                          {DNNL_ARG_SRC_ITER, h_0_},
                          {DNNL_ARG_SRC_ITER_C, c_0_},
                          {DNNL_ARG_WEIGHTS_LAYER, packed_weights_layer_},
                          {DNNL_ARG_WEIGHTS_ITER, packed_weights_iter_},
                          {DNNL_ARG_BIAS, bias_},
                          {DNNL_ARG_DST_LAYER, y_},
                          {DNNL_ARG_DST_ITER, h_n_},
                          {DNNL_ARG_DST_ITER_C, c_n_}};
    if (trains_) {
      workspace_ = make(forward_pd_.workspace_desc());
      forward_arguments_.insert({DNNL_ARG_WORKSPACE, workspace_});
    }
  }

  dnnl::lstm_backward::primitive_desc backward_desc() const {
    const auto kind = dnnl::prop_kind::backward;
    const auto direction = dnnl::rnn_direction::unidirectional_left2right;
    const auto x = x_.get_desc(), y = y_.get_desc(), state = h_0_.get_desc(), bias = bias_.get_desc();
    const auto layer = any(weights_layer_.get_desc().dims()), iter = any(weights_iter_.get_desc().dims());
#if DNNL_VERSION_MAJOR >= 3
    return {engine_, kind, direction, x, state, state, layer, iter, bias, y, state, state,
            x,       state, state, layer, iter, bias, y, state, state, forward_pd_};
#else
    return {{kind, direction, x, state, state, layer, iter, bias, y, state, state, x, state, state, layer, iter, bias, y,
             state, state},
            engine_,
            forward_pd_};
#endif
  }

  void make_backward() {
    const auto pd = backward_desc();
    backward_ = dnnl::lstm_backward(pd);
    backward_weights_layer_ = make(pd.weights_layer_desc());
    backward_weights_iter_ = make(pd.weights_iter_desc());
    dx_ = make(x_.get_desc());
    dweights_layer_ = make(pd.diff_weights_layer_desc());
    dweights_iter_ = make(pd.diff_weights_iter_desc());
    dbias_ = make(bias_.get_desc());
    for (memory* state : {&dh_0_, &dc_0_, &dh_n_, &dc_n_}) *state = make(h_0_.get_desc());
    backward_arguments_ = forward_arguments_;
    backward_arguments_[DNNL_ARG_WEIGHTS_LAYER] = backward_weights_layer_;
    backward_arguments_[DNNL_ARG_WEIGHTS_ITER] = backward_weights_iter_;
    backward_arguments_.insert({{DNNL_ARG_DIFF_SRC_LAYER, dx_},
                                {DNNL_ARG_DIFF_SRC_ITER, dh_0_},
                                {DNNL_ARG_DIFF_SRC_ITER_C, dc_0_},
                                {DNNL_ARG_DIFF_WEIGHTS_LAYER, dweights_layer_},
                                {DNNL_ARG_DIFF_WEIGHTS_ITER, dweights_iter_},
                                {DNNL_ARG_DIFF_BIAS, dbias_},
                                {DNNL_ARG_DIFF_DST_LAYER, dy_},
                                {DNNL_ARG_DIFF_DST_ITER, dh_n_},
                                {DNNL_ARG_DIFF_DST_ITER_C, dc_n_}});
  }

  void write_outputs() {
    std::ofstream file(case_.outputs, std::ios::binary);
    const auto write = [&](const memory& from, const memory::desc& desc) {
      memory to = make(desc), source = from;
      reorder(source, to);
      stream_.wait();
      file.write(static_cast<const char*>(to.get_data_handle()), static_cast<std::streamsize>(desc.get_size()));
    };
    write(y_, y_.get_desc());
    if (!trains_) return;
    write(dx_, dx_.get_desc());
    write(dweights_layer_, weights_layer_.get_desc());
    write(dweights_iter_, weights_iter_.get_desc());
    write(dbias_, bias_.get_desc());
  }

  Case case_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  bool trains_;
  memory x_, y_, dy_, dx_, weights_layer_, weights_iter_, bias_, h_0_, c_0_, h_n_, c_n_, workspace_;
  memory packed_weights_layer_, packed_weights_iter_, backward_weights_layer_, backward_weights_iter_;
  memory dweights_layer_, dweights_iter_, dbias_, dh_0_, dc_0_, dh_n_, dc_n_;
  dnnl::lstm_forward::primitive_desc forward_pd_;
  dnnl::lstm_forward forward_;
  dnnl::lstm_backward backward_;
  std::unordered_map<int, memory> forward_arguments_, backward_arguments_;
};

Case parse(const std::string& line) {
  if (value_of(line, "kind") != "layer") throw std::runtime_error("has single layers only");
  Case given;
  given.pass = value_of(line, "pass");
  given.inputs = value_of(line, "inputs");
  given.outputs = value_of(line, "outputs");
  for (const auto& [key, size] : {std::pair{"T", &given.T}, {"B", &given.B}, {"I", &given.I}, {"H", &given.H}}) {
    *size = std::stoll(value_of(line, key));
  }
  omp_set_num_threads(std::stoi(value_of(line, "threads")));
  return given;
}

std::string answer(const std::string& line, std::unique_ptr<LstmLayer>& layer, const dnnl::engine& engine) {
  if (line.find("\"open\"") != std::string::npos) {
    layer.reset();
    layer = std::make_unique<LstmLayer>(parse(line), engine);
    return "{\"opened\": true}";
  }
  const int runs = std::stoi(value_of(line, "run"));
  const Clock::time_point begin = Clock::now();
  for (int run = 0; run < runs; ++run) layer->run();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count() / runs;
  char text[64];
  std::snprintf(text, sizeof text, "{\"seconds\": %.9f}", seconds);
  return text;
}

}  // namespace

int main() {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  std::unique_ptr<LstmLayer> layer;
  const dnnl_version_t* version = dnnl_version();
  std::cout << "{\"version\": \"" << version->major << '.' << version->minor << '.' << version->patch << "\"}" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << answer(line, layer, engine) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "{\"error\": \"" << error.what() << "\"}" << std::endl;
    }
  }
}
