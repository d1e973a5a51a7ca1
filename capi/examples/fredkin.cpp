// Connected moves in your own loop: paths of the Fredkin chain, pulled up by a field on their first half, which the
// chain does not know. Each move noises the path and draws one back; your weight accepts it.
//   c++ -std=c++17 fredkin.cpp -o fredkin $(pkg-config --cflags --libs tensorjump)
#include <cmath>
#include <cstdio>
#include <random>
#include <tensorjump.hpp>

constexpr std::size_t N = 16;
constexpr double C = 0.6, FIELD = 0.2;

/// Sum of the heights of the first half; -1 for what is no path from 0 to 0 that stays above.
int first_half(const std::uint8_t *x) {
    int height = 0, sum = 0;
    for (std::size_t j = 0; j < N; j++) {
        height += 2 * x[j] - 1;
        if (height < 0) return -1;
        if (j < N / 2) sum += height;
    }
    return height == 0 ? sum : -1;
}

double log_weight(const std::uint8_t *x) {
    int height = 0, area = 0, sum = first_half(x);
    if (sum < 0) return -INFINITY;
    for (std::size_t j = 0; j < N; j++) area += height += 2 * x[j] - 1;
    return std::log(C / (1 - C)) * (area - int(N / 2)) / 2 + FIELD * sum;
}

int main() {
    auto chain = tensorjump::Model::fredkin(N, C);
    auto move = tensorjump::Proposal::connected(chain, tensorjump::Noise::flips(N, 1.0, 1.0, 0.3));

    auto x = chain.sample(1, 7).x, y = x;
    std::mt19937_64 rng(3);
    std::uniform_real_distribution<> uniform;
    constexpr int blocks = 100, steps = 1000;
    double mean = 0, square = 0, accepted = 0;
    for (int block = 0; block < blocks; block++) {
        double sum = 0;
        for (int step = 0; step < steps; step++) {
            double log_ratio = move.propose(x.data(), y.data(), 11, block * steps + step); // a new step each time
            if (std::log(uniform(rng)) < log_weight(y.data()) - log_weight(x.data()) + log_ratio) x = y, accepted++;
            sum += first_half(x.data()) / double(steps);
        }
        mean += sum / blocks, square += sum * sum / blocks;
    }

    double z = 0, exact = 0, error = std::sqrt((square - mean * mean) / (blocks - 1));
    for (int bits = 0; bits < 1 << N; bits++) {
        for (std::size_t j = 0; j < N; j++) y[j] = bits >> j & 1;
        double w = std::exp(log_weight(y.data()));
        z += w, exact += w * first_half(y.data());
    }
    std::printf("fredkin.cpp: acceptance %.3f, <first half> %.3f +- %.3f, exact %.3f\n", accepted / (blocks * steps), mean, error, exact / z);
    return std::abs(mean - exact / z) > 5 * error;
}
