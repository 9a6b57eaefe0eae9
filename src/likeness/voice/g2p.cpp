// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/g2p.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <Eigen/Dense>

#include "likeness/base/error.h"
#include "likeness/tensor/safetensors.h"
#include "likeness/voice/pretrain.h"

namespace likeness::voice {
namespace fs = std::filesystem;
namespace {

using Vector = Eigen::VectorXf;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr Eigen::Index kLetters = 28, kStresses = 3;
constexpr int kEnd = 0, kBegin = 1;  // in the place of padding and silence
// Long words are read in pieces: no word of a language is this long.
constexpr size_t kLongestPiece = 64;

Matrix matrix_of(const tensor::SafeTensors& file, const std::string& name, Eigen::Index rows,
                 Eigen::Index columns) {
  const auto& t = file.at(name);
  // -1: whatever the file has; then one of sense.
  constexpr int64_t kMost = 4096;
  const bool fits = t.shape.size() == 2 && (rows < 0 || t.shape[0] == rows) &&
                    (columns < 0 || t.shape[1] == columns) && t.shape[0] > 0 && t.shape[1] > 0 &&
                    t.shape[0] <= kMost && t.shape[1] <= kMost;
  if (!fits)
    throw Error(ErrorCode::kDamaged, "the pronunciation network's " + name + " has another shape",
                "restore assets/voice/g2p.safetensors");
  const auto v = t.to_float();
  return Eigen::Map<const Matrix>(v.data(), t.shape[0], t.shape[1]);
}

Vector vector_of(const tensor::SafeTensors& file, const std::string& name, Eigen::Index size) {
  const auto& t = file.at(name);
  if (t.shape != std::vector<int64_t>{size})
    throw Error(ErrorCode::kDamaged, "the pronunciation network's " + name + " has another shape",
                "restore assets/voice/g2p.safetensors");
  const auto v = t.to_float();
  return Eigen::Map<const Vector>(v.data(), size);
}

struct Linear {
  Matrix weight;
  Vector bias;
  Linear() = default;
  Linear(const tensor::SafeTensors& file, const std::string& name, Eigen::Index out,
         Eigen::Index in)
      : weight(matrix_of(file, name + ".weight", out, in)),
        bias(vector_of(file, name + ".bias", weight.rows())) {}
  Vector operator()(const Vector& x) const { return weight * x + bias; }
};

/// Cho et al. 2014 in PyTorch's form: gates reset, update, new; the reset gate comes after the
/// product.
struct Gru {
  Matrix from_input, from_state;
  Vector input_bias, state_bias;
  Gru() = default;
  Gru(const tensor::SafeTensors& file, const std::string& name, const std::string& end,
      Eigen::Index in) {
    from_state = matrix_of(file, name + ".weight_hh" + end, -1, -1);
    if (from_state.rows() != 3 * from_state.cols())
      throw Error(ErrorCode::kDamaged, "the pronunciation network's " + name + " is not a GRU",
                  "restore assets/voice/g2p.safetensors");
    from_input = matrix_of(file, name + ".weight_ih" + end, from_state.rows(), in);
    input_bias = vector_of(file, name + ".bias_ih" + end, from_state.rows());
    state_bias = vector_of(file, name + ".bias_hh" + end, from_state.rows());
  }
  Eigen::Index size() const { return from_state.cols(); }
  Vector step(const Vector& x, const Vector& state) const {
    const Eigen::Index h = size();
    const Vector a = from_input * x + input_bias, b = from_state * state + state_bias;
    const auto sigmoid = [](float v) { return 1 / (1 + std::exp(-v)); };
    Vector out(h);
    for (Eigen::Index i = 0; i < h; ++i) {
      const float reset = sigmoid(a[i] + b[i]), update = sigmoid(a[h + i] + b[h + i]);
      const float fresh = std::tanh(a[2 * h + i] + reset * b[2 * h + i]);
      out[i] = (1 - update) * fresh + update * state[i];
    }
    return out;
  }
};

// Loops, because GCC 12 warns of Eigen's own maximum and exponential (AVX-512).
Vector relu(Vector x) {
  for (float& v : x) v = v > 0 ? v : 0;
  return x;
}

Vector softmax(Vector x) {
  const float top = *std::max_element(x.begin(), x.end());
  for (float& v : x) v = std::exp(v - top);
  return x / x.sum();
}

struct State {
  Vector first, second;
};
struct Step {
  State state;
  Vector hidden;  ///< before the last nonlinearity
  Vector log_probability;
};
struct Candidate {
  std::vector<Sound> sounds;
  double score = 0;
  State state;
  int last = kBegin;
};

}  // namespace

struct G2p::Impl {
  Matrix letter, sound, stressed;
  std::vector<std::array<Gru, 2>> encoder;  ///< forwards and backwards
  Gru first, second;
  Linear query1, query2, context, hidden, out, stress;

  explicit Impl(const tensor::SafeTensors& file) {
    letter = matrix_of(file, "letter.weight", kLetters, -1);
    sound = matrix_of(file, "sound.weight", kPhonemeCount, -1);
    Eigen::Index in = letter.cols();
    constexpr int kMostLayers = 8;
    for (int l = 0; l < kMostLayers && file.has("encoder.weight_ih_l" + std::to_string(l)); ++l) {
      const std::string end = "_l" + std::to_string(l);
      encoder.push_back(
          {Gru(file, "encoder", end, in), Gru(file, "encoder", end + "_reverse", in)});
      in = encoder.back()[0].size() + encoder.back()[1].size();
    }
    if (encoder.empty())
      throw Error(ErrorCode::kDamaged, "the pronunciation network has no encoder",
                  "restore assets/voice/g2p.safetensors");
    first = Gru(file, "first", "_l0", sound.cols());
    query1 = Linear(file, "query1", in, first.size());
    context = Linear(file, "context", first.size(), in);
    second = Gru(file, "second", "_l0", 2 * first.size());
    query2 = Linear(file, "query2", in, second.size());
    hidden = Linear(file, "hidden", -1, second.size() + in);
    out = Linear(file, "out", kPhonemeCount, hidden.weight.rows());
    stressed = matrix_of(file, "stressed.weight", kPhonemeCount, hidden.weight.rows());
    stress = Linear(file, "stress", kStresses, hidden.weight.rows());
  }

  /// One row a letter.
  Matrix read(const std::string& letters) const {
    const auto numbers = g2p_letter_numbers(letters);
    const auto n = static_cast<Eigen::Index>(numbers.size());
    Matrix x(n, letter.cols());
    for (Eigen::Index i = 0; i < n; ++i) x.row(i) = letter.row(numbers[static_cast<size_t>(i)]);
    for (const auto& [forth, back] : encoder) {
      Matrix y(n, forth.size() + back.size());
      Vector state = Vector::Zero(forth.size());
      for (Eigen::Index i = 0; i < n; ++i) {
        state = forth.step(x.row(i).transpose(), state);
        y.row(i).head(forth.size()) = state.transpose();
      }
      state = Vector::Zero(back.size());
      for (Eigen::Index i = n; i-- > 0;) {
        state = back.step(x.row(i).transpose(), state);
        y.row(i).tail(back.size()) = state.transpose();
      }
      x = std::move(y);
    }
    return x;
  }

  static Vector ask(const Linear& query, const Vector& state, const Matrix& memory) {
    const float scale = 1 / std::sqrt(static_cast<float>(memory.cols()));
    const Vector weights = softmax(memory * query(state) * scale);
    return memory.transpose() * weights;
  }

  State begin() const { return {Vector::Zero(first.size()), Vector::Zero(second.size())}; }

  Step next(const State& before, int last, const Matrix& memory) const {
    Step s;
    s.state.first = first.step(sound.row(last).transpose(), before.first);
    Vector joined(2 * first.size());
    joined << s.state.first, relu(context(ask(query1, s.state.first, memory)));
    s.state.second = second.step(joined, before.second);
    Vector both(second.size() + memory.cols());
    both << s.state.second, ask(query2, s.state.second, memory);
    s.hidden = hidden(both);
    s.log_probability = softmax(out(relu(s.hidden)));
    for (float& v : s.log_probability) v = std::log(std::max(v, 1e-30f));
    return s;
  }

  int stress_of(const Step& step, int phoneme) const {
    if (!is_vowel_phoneme(phoneme)) return 0;
    const Vector v = stress(relu(step.hidden + stressed.row(phoneme).transpose()));
    return static_cast<int>(std::max_element(v.begin(), v.end()) - v.begin());
  }

  std::vector<Sound> search(const std::string& letters, size_t width) const;
};

std::vector<Sound> G2p::Impl::search(const std::string& letters, size_t width) const {
  const Matrix memory = read(letters);
  const size_t longest = 2 * letters.size() + 8;
  std::vector<Candidate> open(1);
  open[0].state = begin();
  std::vector<Sound> best;
  double best_score = -std::numeric_limits<double>::infinity();
  for (size_t length = 0; length <= longest && !open.empty(); ++length) {
    struct Way {
      double score;
      size_t from;
      int phoneme;
    };
    std::vector<Way> ways;
    std::vector<Step> steps;
    for (size_t c = 0; c < open.size(); ++c) {
      steps.push_back(next(open[c].state, open[c].last, memory));
      const Vector& p = steps.back().log_probability;
      // A word of no sounds is no answer.
      const double end = open[c].score + static_cast<double>(p[kEnd]);
      if (length > 0 && end > best_score) best_score = end, best = open[c].sounds;
      for (int k = kPhonemeFirst; k < kPhonemeCount && length < longest; ++k)
        ways.push_back({open[c].score + static_cast<double>(p[k]), c, k});
    }
    const size_t keep = std::min(width, ways.size());
    std::partial_sort(ways.begin(), ways.begin() + static_cast<long>(keep), ways.end(),
                      [](const Way& a, const Way& b) { return a.score > b.score; });
    std::vector<Candidate> then;
    // A score only falls: what is below the best whole word cannot win.
    for (size_t i = 0; i < keep && ways[i].score > best_score; ++i) {
      const Way& w = ways[i];
      Candidate c{open[w.from].sounds, w.score, steps[w.from].state, w.phoneme};
      c.sounds.push_back({w.phoneme, stress_of(steps[w.from], w.phoneme)});
      then.push_back(std::move(c));
    }
    open = std::move(then);
  }
  return best;
}

G2p::G2p(const fs::path& weights) {
  std::error_code ec;
  if (!fs::is_regular_file(weights, ec))
    throw Error(ErrorCode::kMissing, "there is no pronunciation network " + weights.string(),
                "it is part of the source tree: assets/voice/g2p.safetensors");
  check_weights(weights);
  impl_ = std::make_unique<Impl>(tensor::SafeTensors(weights));
}
G2p::~G2p() = default;
G2p::G2p(G2p&&) noexcept = default;

const G2p* G2p::installed() {
  static const std::unique_ptr<const G2p> network = []() -> std::unique_ptr<const G2p> {
    if (const auto weights = find_voice_weights("g2p"))
      return std::make_unique<const G2p>(*weights);
    return nullptr;
  }();
  return network.get();
}

std::vector<Sound> G2p::pronounce(const std::string& letters, int beam) const {
  LIKENESS_REQUIRE(beam >= 1);
  std::vector<Sound> out;
  const std::string known = g2p_letters(letters);
  for (size_t at = 0; at < known.size(); at += kLongestPiece) {
    const auto part = impl_->search(known.substr(at, kLongestPiece), static_cast<size_t>(beam));
    out.insert(out.end(), part.begin(), part.end());
  }
  settle_stress(known, out);
  return out;
}

std::vector<Sound> G2p::with_stress(const std::string& letters, std::vector<Sound> sounds) const {
  const std::string known = g2p_letters(letters).substr(0, kLongestPiece);
  if (known.empty()) return sounds;
  const Matrix memory = impl_->read(known);
  State state = impl_->begin();
  int last = kBegin;
  for (Sound& s : sounds) {
    const Step step = impl_->next(state, last, memory);
    s.stress = impl_->stress_of(step, s.phoneme);
    state = step.state;
    last = s.phoneme;
  }
  settle_stress(known, sounds);
  return sounds;
}

double G2p::log_probability(const std::string& letters, const std::vector<Sound>& sounds) const {
  const Matrix memory = impl_->read(g2p_letters(letters));
  State state = impl_->begin();
  int last = kBegin;
  double sum = 0;
  for (size_t i = 0; i <= sounds.size(); ++i) {
    const Step step = impl_->next(state, last, memory);
    last = i < sounds.size() ? sounds[i].phoneme : kEnd;
    sum += static_cast<double>(step.log_probability[last]);
    state = step.state;
  }
  return sum;
}

}  // namespace likeness::voice
