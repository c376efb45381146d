// Batch norm, addition of the shortcut and ReLU as one operator of PyTorch, for training on the CPU.
//
// core/model/fused.py compiles and loads this file. The stock operators read and write every feature map once for each
// of the three; here two passes go over it forward (statistics; apply) and two backward (mask and sums; apply). Only
// the input and the output are kept for the backward pass. A block's output goes to two places, the next convolution
// and the next shortcut: with `twice` the operator returns it as two tensors that share memory, so that their two
// gradients arrive separately and are added within the backward pass.
//
// Feature maps are channels-last: `rows` (images × height × width) of `channels` numbers, float or bfloat16. All
// arithmetic is in float, sums of more than a block of rows in double. The blocks and the order in which their sums are
// added depend on the shape alone, so the results do not depend on the number of threads. Everything that the passes do
// not cover, such as another layout or type, is computed by the stock operators.
//
// Ioffe & Szegedy, "Batch Normalization", arXiv:1502.03167: the forward pass is Algorithm 1, the gradients are those at
// the end of section 3.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Vec = at::vec::Vectorized<float>;

constexpr int64_t WIDTH = Vec::size();
constexpr int64_t UNIT = 2 * WIDTH;  // as many numbers as a vector of bfloat16 has
// Units whose sums are in registers at the same time: AVX2 has half as many registers as AVX-512 and NEON.
#if defined(CPU_CAPABILITY_AVX2)
constexpr int64_t GROUP = 2;
#else
constexpr int64_t GROUP = 4;
#endif
constexpr int64_t BLOCK = 16384;  // numbers in a block, about: it stays in a core's cache
constexpr int64_t SERIAL = 32768;  // fewer numbers are not worth a second thread

struct Two {
  Vec low, high;
};

inline Two load(const float* from) {
  return {Vec::loadu(from), Vec::loadu(from + WIDTH)};
}

inline Two load(const at::BFloat16* from) {
  auto [low, high] = at::vec::convert_to_float<at::BFloat16>(at::vec::Vectorized<at::BFloat16>::loadu(from));
  return {low, high};
}

inline void store(float* to, Two value) {
  value.low.store(to);
  value.high.store(to + WIDTH);
}

inline void store(at::BFloat16* to, Two value) {
#if defined(__AVX512BF16__)  // one instruction in place of fourteen
  _mm512_storeu_si512(to, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(value.high, value.low)));
#else
  at::vec::convert_from_float<at::BFloat16>(value.low, value.high).store(to);
#endif
}

inline Two operator+(Two a, Two b) {
  return {a.low + b.low, a.high + b.high};
}

inline Two operator-(Two a, Two b) {
  return {a.low - b.low, a.high - b.high};
}

inline Two multiply_add(Two a, Two b, Two c) {
  return {at::vec::fmadd(a.low, b.low, c.low), at::vec::fmadd(a.high, b.high, c.high)};
}

// Like PyTorch's ReLU, both keep NaN, so that a diverged training is noticed.
inline Vec relu(Vec value) {
  return at::vec::clamp_min(value, Vec(0.f));
}

inline Vec relu_gradient(Vec gradient, Vec output) {
#if defined(CPU_CAPABILITY_AVX512)
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(output, _mm512_setzero_ps(), _CMP_NEQ_UQ), gradient);
#else
  return gradient & (output != Vec(0.f));
#endif
}

inline float relu(float value) {
  return value <= 0.f ? 0.f : value;
}

inline float relu_gradient(float gradient, float output) {
  return output != 0.f ? gradient : 0.f;
}

// How a feature map is divided. A period is the fewest rows that fill whole groups of units, so that a place in a
// period always holds the same channel, whatever the number of channels. A block is a number of periods.
struct Division {
  int64_t rows, channels, period, block, blocks;

  Division(int64_t rows_, int64_t channels_) : rows(rows_), channels(channels_) {
    period = std::lcm(channels, UNIT);
    while (period < GROUP * UNIT) {
      period *= 2;
    }
    block = period * std::max<int64_t>(1, BLOCK / period);
    blocks = at::divup(numbers(), block);
  }

  int64_t numbers() const {
    return rows * channels;
  }

  int64_t size(int64_t index) const {
    return std::min(block, numbers() - index * block);
  }

  // Repeats one number per channel over a period.
  std::vector<float> tiled(const std::vector<double>& values) const {
    std::vector<float> tile(period);
    for (int64_t at = 0; at < period; ++at) {
      tile[at] = static_cast<float>(values[at % channels]);
    }
    return tile;
  }

  // Calls work(index, begin) for each block; begin is its first number. A later pass goes backward: what the pass before
  // it touched last is still in the cache.
  template <typename Work>
  void each_block(bool backward, const Work& work) const {
    at::parallel_for(0, blocks, numbers() < SERIAL ? blocks : 1, [&](int64_t from, int64_t to) {
      for (int64_t step = from; step < to; ++step) {
        int64_t index = backward ? to - 1 - (step - from) : step;
        work(index, index * block);
      }
    });
  }
};

// Calls work(offset, units) for groups of units that cover a period; `units` is a sequence of constants.
template <typename Work>
inline void each_group(int64_t period, const Work& work) {
  int64_t offset = 0;
  for (; offset + GROUP * UNIT <= period; offset += GROUP * UNIT) {
    work(offset, std::make_index_sequence<GROUP>());
  }
  for (; offset < period; offset += UNIT) {
    work(offset, std::make_index_sequence<1>());
  }
}

// Two sums per channel, of each block and then of all.
struct Sums {
  const Division& division;
  std::vector<double> of_blocks;

  explicit Sums(const Division& division_)
      : division(division_), of_blocks(2 * division_.blocks * division_.channels, 0.0) {}

  double* first(int64_t block) {
    return of_blocks.data() + 2 * block * division.channels;
  }

  double* second(int64_t block) {
    return first(block) + division.channels;
  }
};

// Adds up a block: `term` returns two terms for the numbers at an offset within the block, as vectors and as scalars.
template <typename Term>
inline void add_up(const Division& division, Sums& sums, int64_t index, const Term& term) {
  const int64_t size = division.size(index), period = division.period, channels = division.channels;
  const int64_t whole = size / period * period;
  double *first = sums.first(index), *second = sums.second(index);
  std::vector<float> lanes(2 * UNIT);
  each_group(whole ? period : 0, [&]<size_t... UNITS>(int64_t offset, std::index_sequence<UNITS...>) {
    // Written out for each unit: with a loop over the units, the compiler would keep the sums in memory.
    Two a[] = {(static_cast<void>(UNITS), Two{Vec(0.f), Vec(0.f)})...};
    Two b[] = {(static_cast<void>(UNITS), Two{Vec(0.f), Vec(0.f)})...};
    for (int64_t at = offset; at < whole; at += period) {
      (term(at + UNITS * UNIT, offset + UNITS * UNIT, a[UNITS], b[UNITS]), ...);
    }
    auto drain = [&](int64_t place, Two sum, Two other) {
      store(lanes.data(), sum);
      store(lanes.data() + UNIT, other);
      int64_t channel = place % channels;
      for (int64_t lane = 0; lane < UNIT; ++lane) {
        first[channel] += lanes[lane];
        second[channel] += lanes[UNIT + lane];
        channel = channel + 1 == channels ? 0 : channel + 1;
      }
    };
    (drain(offset + UNITS * UNIT, a[UNITS], b[UNITS]), ...);
  });
  for (int64_t at = whole; at < size; ++at) {
    auto [a, b] = term(at);
    first[at % channels] += a;
    second[at % channels] += b;
  }
}

// --- forward ----------------------------------------------------------------------------------------------------

struct Statistics {
  std::vector<double> mean, variance;  // of a batch; the variance divides by the number of rows
};

template <typename T>
Statistics statistics_of(const T* x, const Division& division) {
  const int64_t channels = division.channels;
  Sums sums(division);
  division.each_block(false, [&](int64_t index, int64_t begin) {
    const T* block = x + begin;
    // Deviations from the block's first row, not from 0: their squares do not cancel if the mean is large.
    std::vector<float> shift(division.period);
    for (int64_t at = 0; at < division.period; ++at) {
      shift[at] = static_cast<float>(block[at % channels]);
    }
    struct Term {
      const T* block;
      const float* shift;
      int64_t channels;
      void operator()(int64_t at, int64_t place, Two& sum, Two& squares) const {
        Two deviation = load(block + at) - load(shift + place);
        sum = sum + deviation;
        squares = multiply_add(deviation, deviation, squares);
      }
      std::pair<float, float> operator()(int64_t at) const {
        float deviation = static_cast<float>(block[at]) - shift[at % channels];
        return {deviation, deviation * deviation};
      }
    };
    add_up(division, sums, index, Term{block, shift.data(), channels});
    // From here on: the block's mean, and the sum of the squared deviations from it.
    const double rows = static_cast<double>(division.size(index) / channels);
    double *mean = sums.first(index), *squares = sums.second(index);
    for (int64_t channel = 0; channel < channels; ++channel) {
      squares[channel] -= mean[channel] * mean[channel] / rows;
      mean[channel] = shift[channel] + mean[channel] / rows;
    }
  });
  Statistics all{std::vector<double>(channels, 0.0), std::vector<double>(channels, 0.0)};
  for (int64_t index = 0; index < division.blocks; ++index) {
    const double share = static_cast<double>(division.size(index) / channels) / static_cast<double>(division.rows);
    for (int64_t channel = 0; channel < channels; ++channel) {
      all.mean[channel] += share * sums.first(index)[channel];
    }
  }
  for (int64_t index = 0; index < division.blocks; ++index) {
    const double rows = static_cast<double>(division.size(index) / channels);
    for (int64_t channel = 0; channel < channels; ++channel) {
      const double away = sums.first(index)[channel] - all.mean[channel];
      all.variance[channel] += sums.second(index)[channel] + rows * away * away;
    }
  }
  for (double& variance : all.variance) {
    variance = std::max(variance, 0.0) / static_cast<double>(division.rows);
  }
  return all;
}

// output = ReLU((x − mean) · scale + bias [+ residual])
template <typename T, bool RESIDUAL>
void apply_forward(
    const T* x,
    const T* residual,
    T* output,
    const Division& division,
    const std::vector<float>& mean,
    const std::vector<float>& scale,
    const std::vector<float>& bias) {
  division.each_block(true, [&](int64_t index, int64_t begin) {
    const int64_t end = begin + division.size(index);
    int64_t at = begin;
    for (; at + division.period <= end; at += division.period) {
      for (int64_t place = 0; place < division.period; place += UNIT) {
        Two y = multiply_add(load(x + at + place) - load(&mean[place]), load(&scale[place]), load(&bias[place]));
        if constexpr (RESIDUAL) {
          y = y + load(residual + at + place);
        }
        store(output + at + place, {relu(y.low), relu(y.high)});
      }
    }
    for (int64_t place = 0; at < end; ++at, ++place) {
      float y = (static_cast<float>(x[at]) - mean[place]) * scale[place] + bias[place];
      if constexpr (RESIDUAL) {
        y += static_cast<float>(residual[at]);
      }
      output[at] = static_cast<T>(relu(y));
    }
  });
}

// --- backward ---------------------------------------------------------------------------------------------------

// The gradient of the sum before the ReLU, from those of the one or two outputs.
template <typename T, bool BOTH>
struct Masked {
  const T *gradient, *other, *output;

  Two vector(int64_t at) const {
    Two g = load(gradient + at), y = load(output + at);
    if constexpr (BOTH) {
      g = g + load(other + at);
    }
    return {relu_gradient(g.low, y.low), relu_gradient(g.high, y.high)};
  }

  float scalar(int64_t at) const {
    float g = static_cast<float>(gradient[at]);
    if constexpr (BOTH) {
      g += static_cast<float>(other[at]);
    }
    return relu_gradient(g, static_cast<float>(output[at]));
  }
};

template <typename T, bool BOTH, bool RESIDUAL>
void backward(
    Masked<T, BOTH> masked,
    const T* x,
    T* residual_gradient,
    T* x_gradient,
    const Division& division,
    const float* mean,
    const float* inverse_deviation,
    const float* weight,
    float* weight_gradient,
    float* bias_gradient) {
  const int64_t channels = division.channels;
  const std::vector<float> mean_tile = division.tiled(std::vector<double>(mean, mean + channels));
  Sums sums(division);
  division.each_block(false, [&](int64_t index, int64_t begin) {
    struct Term {
      Masked<T, BOTH> masked;
      const T* x;
      T* residual_gradient;
      const float* mean;
      int64_t begin, channels;
      void operator()(int64_t at, int64_t place, Two& sum, Two& product) const {
        Two g = masked.vector(begin + at);
        if constexpr (RESIDUAL) {
          store(residual_gradient + begin + at, g);
        }
        sum = sum + g;
        product = multiply_add(g, load(x + begin + at) - load(mean + place), product);
      }
      std::pair<float, float> operator()(int64_t at) const {
        float g = masked.scalar(begin + at);
        if constexpr (RESIDUAL) {
          residual_gradient[begin + at] = static_cast<T>(g);
        }
        return {g, g * (static_cast<float>(x[begin + at]) - mean[at % channels])};
      }
    };
    add_up(division, sums, index, Term{masked, x, residual_gradient, mean_tile.data(), begin, channels});
  });

  std::vector<double> of_gradient(channels, 0.0), of_x(channels, 0.0), constant(channels, 0.0);
  const double rows = static_cast<double>(division.rows);
  for (int64_t channel = 0; channel < channels; ++channel) {
    double sum = 0.0, product = 0.0;
    for (int64_t index = 0; index < division.blocks; ++index) {
      sum += sums.first(index)[channel];
      product += sums.second(index)[channel];
    }
    const double inverse = inverse_deviation[channel];
    weight_gradient[channel] = static_cast<float>(product * inverse);
    bias_gradient[channel] = static_cast<float>(sum);
    of_gradient[channel] = weight[channel] * inverse;
    of_x[channel] = -of_gradient[channel] * inverse * inverse * product / rows;
    constant[channel] = -of_gradient[channel] * sum / rows;
  }

  const auto g_tile = division.tiled(of_gradient), x_tile = division.tiled(of_x), tile = division.tiled(constant);
  division.each_block(true, [&](int64_t index, int64_t begin) {
    const int64_t end = begin + division.size(index);
    int64_t at = begin;
    for (; at + division.period <= end; at += division.period) {
      for (int64_t place = 0; place < division.period; place += UNIT) {
        Two g = RESIDUAL ? load(residual_gradient + at + place) : masked.vector(at + place);
        Two gradient = multiply_add(load(x + at + place) - load(&mean_tile[place]), load(&x_tile[place]), load(&tile[place]));
        store(x_gradient + at + place, multiply_add(g, load(&g_tile[place]), gradient));
      }
    }
    for (int64_t place = 0; at < end; ++at, ++place) {
      float g = RESIDUAL ? static_cast<float>(residual_gradient[at]) : masked.scalar(at);
      float gradient = (static_cast<float>(x[at]) - mean_tile[place]) * x_tile[place] + tile[place];
      x_gradient[at] = static_cast<T>(g * g_tile[place] + gradient);
    }
  });
}

// --- the operator -----------------------------------------------------------------------------------------------

constexpr auto CHANNELS_LAST = at::MemoryFormat::ChannelsLast;

template <typename Work>
void with_type(const Tensor& x, const Work& work) {
  if (x.scalar_type() == at::kBFloat16) {
    work(at::BFloat16());
  } else {
    work(float());
  }
}

struct NormAddRelu : torch::autograd::Function<NormAddRelu> {
  static variable_list forward(
      AutogradContext* context,
      const Tensor& x,
      const Tensor& weight,
      const Tensor& bias,
      const std::optional<Tensor>& residual,
      const Tensor& running_mean,
      const Tensor& running_var,
      double momentum,
      double eps,
      bool twice) {
    const Division division(x.numel() / x.size(1), x.size(1));
    const int64_t channels = division.channels;
    Tensor output = at::empty_like(x, x.options(), CHANNELS_LAST);
    Tensor mean = at::empty_like(weight), inverse_deviation = at::empty_like(weight);
    with_type(x, [&](auto number) {
      using T = decltype(number);
      const T* from = x.const_data_ptr<T>();
      const Statistics batch = statistics_of(from, division);
      std::vector<double> scales(channels), biases(channels);
      const double correction = static_cast<double>(division.rows) / static_cast<double>(division.rows - 1);
      float *means = running_mean.mutable_data_ptr<float>(), *variances = running_var.mutable_data_ptr<float>();
      for (int64_t channel = 0; channel < channels; ++channel) {
        const double inverse = 1.0 / std::sqrt(batch.variance[channel] + eps);
        mean.mutable_data_ptr<float>()[channel] = static_cast<float>(batch.mean[channel]);
        inverse_deviation.mutable_data_ptr<float>()[channel] = static_cast<float>(inverse);
        scales[channel] = weight.const_data_ptr<float>()[channel] * inverse;
        biases[channel] = bias.const_data_ptr<float>()[channel];
        means[channel] = static_cast<float>(momentum * batch.mean[channel] + (1 - momentum) * means[channel]);
        variances[channel] = static_cast<float>(
            momentum * batch.variance[channel] * correction + (1 - momentum) * variances[channel]);
      }
      const auto mean_tile = division.tiled(batch.mean), scale_tile = division.tiled(scales);
      const auto bias_tile = division.tiled(biases);
      T* to = output.mutable_data_ptr<T>();
      if (residual) {
        apply_forward<T, true>(from, residual->const_data_ptr<T>(), to, division, mean_tile, scale_tile, bias_tile);
      } else {
        apply_forward<T, false>(from, nullptr, to, division, mean_tile, scale_tile, bias_tile);
      }
    });
    context->set_materialize_grads(false);
    context->save_for_backward({x, output, weight, mean, inverse_deviation});
    context->saved_data["residual"] = residual.has_value();
    if (!twice) {
      return {output};
    }
    return {output, output.variable_data()};  // the same memory
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "norm_add_relu has no second derivative.");
    const variable_list saved = context->get_saved_variables();
    const Tensor &x = saved[0], &output = saved[1], &weight = saved[2], &mean = saved[3], &inverse = saved[4];
    const bool has_residual = context->saved_data["residual"].toBool();
    variable_list answers(9);
    variable_list given;
    for (const Tensor& gradient : gradients) {
      if (gradient.defined()) {
        given.push_back(gradient.to(x.scalar_type()).contiguous(CHANNELS_LAST));
      }
    }
    if (given.empty()) {
      return answers;
    }
    const Division division(x.numel() / x.size(1), x.size(1));
    Tensor x_gradient = at::empty_like(x, x.options(), CHANNELS_LAST), residual_gradient;
    Tensor weight_gradient = at::empty_like(weight), bias_gradient = at::empty_like(weight);
    if (has_residual) {
      residual_gradient = at::empty_like(x, x.options(), CHANNELS_LAST);
    }
    with_type(x, [&](auto number) {
      using T = decltype(number);
      auto compute = [&](auto both, auto residual) {
        const T* other = both() ? given[1].const_data_ptr<T>() : nullptr;
        ::backward<T, both(), residual()>(
            {given[0].const_data_ptr<T>(), other, output.const_data_ptr<T>()},
            x.const_data_ptr<T>(),
            residual() ? residual_gradient.mutable_data_ptr<T>() : nullptr,
            x_gradient.mutable_data_ptr<T>(),
            division,
            mean.const_data_ptr<float>(),
            inverse.const_data_ptr<float>(),
            weight.const_data_ptr<float>(),
            weight_gradient.mutable_data_ptr<float>(),
            bias_gradient.mutable_data_ptr<float>());
      };
      using Yes = std::true_type;
      using No = std::false_type;
      const bool both = given.size() == 2;
      if (both) {
        has_residual ? compute(Yes(), Yes()) : compute(Yes(), No());
      } else {
        has_residual ? compute(No(), Yes()) : compute(No(), No());
      }
    });
    answers[0] = x_gradient;
    answers[1] = weight_gradient;
    answers[2] = bias_gradient;
    answers[3] = residual_gradient;
    return answers;
  }
};

bool is_parameter(const Tensor& tensor, int64_t channels) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous() && tensor.numel() == channels;
}

// Whether the passes of this file can compute it.
bool covered(
    const Tensor& x,
    const Tensor& weight,
    const Tensor& bias,
    const std::optional<Tensor>& residual,
    const Tensor& running_mean,
    const Tensor& running_var) {
  if (!x.is_cpu() || x.dim() != 4 || !(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16)) {
    return false;
  }
  const int64_t channels = x.size(1);
  if (x.numel() <= channels || !x.is_contiguous(CHANNELS_LAST)) {
    return false;
  }
  for (const Tensor& parameter : {weight, bias, running_mean, running_var}) {
    if (!is_parameter(parameter, channels)) {
      return false;
    }
  }
  return !residual ||
      (residual->is_cpu() && residual->scalar_type() == x.scalar_type() && residual->sizes() == x.sizes() &&
       residual->is_contiguous(CHANNELS_LAST));
}

std::vector<Tensor> norm_add_relu(
    const Tensor& x,
    const Tensor& weight,
    const Tensor& bias,
    const std::optional<Tensor>& residual,
    const Tensor& running_mean,
    const Tensor& running_var,
    double momentum,
    double eps,
    bool twice) {
  if (covered(x, weight, bias, residual, running_mean, running_var)) {
    return NormAddRelu::apply(x, weight, bias, residual, running_mean, running_var, momentum, eps, twice);
  }
  Tensor y = at::batch_norm(x, weight, bias, running_mean, running_var, true, momentum, eps, true);
  y = at::relu(residual ? y + *residual : y);
  return twice ? std::vector<Tensor>{y, y} : std::vector<Tensor>{y};
}

} // namespace

TORCH_LIBRARY(resnet_lab, library) {
  library.def(
      "norm_add_relu(Tensor x, Tensor weight, Tensor bias, Tensor? residual, Tensor(a!) running_mean, "
      "Tensor(b!) running_var, float momentum, float eps, bool twice) -> Tensor[]",
      norm_add_relu);
}
