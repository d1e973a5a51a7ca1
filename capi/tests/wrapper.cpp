// The C++ wrapper: owners, exceptions of calls and of callables, lengths.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <tensorjump.hpp>

using namespace tensorjump;
static int failures = 0;
#define EXPECT(ok) ((ok) ? (void)0 : (void)(failures++, std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #ok)))

/// What a piece of code throws, or "nothing".
template <class F> std::string thrown(F f) {
    try {
        f();
    } catch (const Error &e) {
        return std::to_string(e.status) + " " + e.what();
    } catch (const std::exception &e) {
        return e.what();
    }
    return "nothing";
}

static double pull(const std::uint8_t *x) { return 0.3 * x[0]; }

int main() {
    auto ring = Model::ising_chain(0.5, 8, true);
    EXPECT(ring.sites() == 8 && ring.dims() == std::vector<std::size_t>(8, 2));
    EXPECT(std::abs(ring.log_z() - std::log(std::pow(2 * std::cosh(0.5), 8) + std::pow(2 * std::sinh(0.5), 8))) < 1e-12);
    auto draws = ring.sample(100, 1);
    EXPECT(draws.size() == 100 && ring.log_prob(draws.x) == draws.log_prob && draws[3] == draws.x.data() + 24);
#if __cplusplus >= 202002L
    EXPECT(draws.row(3).size() == 8 && draws.row(3).data() == draws[3]);
#endif

    // Handles are shared and outlive one another.
    Proposal move = [] {
        auto inner = Model::ising_chain(0.5, 8, true);
        return Proposal::mixture({0.5, 0.5}, {Proposal::connected(inner, Noise::flips(8, 1, 1, 0.2)), Proposal::disconnected(inner)});
    }();
    std::vector<std::uint8_t> y;
    EXPECT(move.propose(draws.x, y, 1, 1).size() == 100 && y.size() == 800);
    Draws ahead(ring, 1);
    std::uint8_t one[8];
    for (std::size_t i = 0; i < 100; i++) EXPECT(ahead.next(one) == draws.log_prob[i]);
    Draws moved = std::move(ahead);
    EXPECT(moved.next(one) < 0);

    // Tensors, noise, denoising, lattices.
    auto product = Model::positive({2, 2}, {1, 1, 1}, {1, 3, 1, 1});
    EXPECT(std::abs(product.log_prob({1, 0})[0] - std::log(3.0 / 8)) < 1e-14);
    EXPECT(std::abs(Model::born({2, 2}, {1, 1, 1}, {1, -3, 1, 1}).log_prob({1, 0})[0] - std::log(9.0 / 20)) < 1e-14);
    EXPECT(std::abs(Model::complex({2}, {1, 1}, {1, 0}, {0, 2}).log_prob({1})[0] - std::log(4.0 / 5)) < 1e-14);
    auto noise = Noise::tables({2, 2}, {1, 0, 0, 1, .5, .5, .5, .5});
    EXPECT(product.denoise(noise, {1, 0}, 1).x[0] == 1);
    EXPECT(thrown([] { Noise::rates({2}, {-1, 1, 2, -2}, 0.5), Noise::uniform({2, 3}, 1, 0.5, {1, 0}); }) == "nothing");
    auto lattice = Target::ising(4, 4, 0.4);
    auto boundary = Model::boundary(lattice), snake = Model::snake(lattice, 32);
    EXPECT(std::abs(lattice.contract() - snake.log_z()) < 1e-6 && std::abs(boundary.log_z() - snake.log_z()) < 1e-6);
    EXPECT(lattice.importance(boundary, 1000, 1).ess_fraction > 0.999);
    double agree = std::log(2.0);
    auto potts = Target::pair_uniform(2, 2, 2, {}, {agree, 0, 0, agree});
    EXPECT(std::abs(potts.contract() - std::log(2 * 16 + 8 * 4 + 4 * 4 + 2 * 1.0)) < 1e-9);
    EXPECT(Target::pair(1, 2, {}, {0, 0, 0, 0}, {1, 0, 0, 1}, {}).log_weight({1, 1})[0] == 1);
    ring.save("wrapper.safetensors");
    EXPECT(Model::load("wrapper.safetensors").log_prob(draws.x) == draws.log_prob);
    std::remove("wrapper.safetensors");

    // Chains of a callable, which the chains keep alive.
    auto chains = [&] { return Chains(Target(8, pull), draws.x, 1); }();
    auto report = chains.advance(Proposal::single_site(std::vector<std::size_t>(8, 2)), 50);
    EXPECT(report.proposed == 5000 && chains.log_weight()[7] == 0.3 * chains.x()[56]);
    report = chains.advance(Proposal::exchange(std::vector<std::size_t>(8, 2), {0, 1}), 5);
    EXPECT(report.proposed == 500);
    EXPECT(std::abs(Target(ring).log_weight(draws.x)[5] - draws.log_prob[5]) < 1e-12);

    auto noisy = Noise::flips(8, 1, 1, 0.2).apply(draws.x, 8, 1);
    auto clean = ring.denoise(Noise::flips(8, 1, 1, 0.2), noisy, 1);
    EXPECT(noisy != draws.x && ring.denoise_log_prob(Noise::flips(8, 1, 1, 0.2), clean.x, noisy) == clean.log_prob);

    // Tempering of two callables.
    auto single = Proposal::single_site(std::vector<std::size_t>(8, 2));
    auto tempering = [&] {
        std::vector<Target> levels{Target(8, pull), Target(8, [](const std::uint8_t *x) { return 2 * pull(x); })};
        return Tempering({1, 2}, levels, {single, single}, 4, std::vector<std::uint8_t>(2 * 50 * 8, 1), 1);
    }();
    tempering.advance(20);
    EXPECT(tempering.x(1).size() == 400 && tempering.x(1) != tempering.x(0) && tempering.swap_rates()[0] > 0.5);

    // Over one rank: as alone, and a communicator that fails is an error.
    tj_ranks alone{nullptr, 0, 1, [](void *, const double *mine, std::size_t n, double *all) {
                       std::copy(mine, mine + n, all);
                       return 0;
                   }};
    auto twin = [&] { return Chains(Target(8, pull), draws.x, 1); };
    auto serial = twin(), spread = twin();
    serial.advance(single, 20);
    EXPECT(spread.advance_over(alone, single, 20).proposed == 2000 && spread.x() == serial.x());
    alone.all_gather = [](void *, const double *, std::size_t, double *) { return 3; };
    EXPECT(thrown([&] { spread.advance_over(alone, single, 1); }).substr(0, 2) == "7 ");
    EXPECT(thrown([&] { tempering.advance_over(alone, 1); }).substr(0, 2) == "7 " && spread.x() == serial.x());

    // Mistakes throw; what a callable throws comes out as it is.
    EXPECT(thrown([] { Model::fredkin(7, 0.5); }).substr(0, 8) == "2 sites ");
    EXPECT(thrown([] { Model::load("/absent"); }).substr(0, 2) == "4 ");
    EXPECT(thrown([&] { ring.log_prob({1, 0, 1}); }) == "x has 3 entries, expected 0");
    EXPECT(thrown([] { Noise::flips(4, 1, 1, 1, {1, 1}); }) == "factors has 2 entries, expected 4");
    Target angry(8, [](const std::uint8_t *x) { return x[0] ? throw std::runtime_error("of the callable") : 0.0; });
    EXPECT(thrown([&] { angry.importance(ring, 100, 1); }) == "of the callable");
    EXPECT(thrown([&] { angry.log_weight(std::vector<std::uint8_t>(8, 1)); }) == "of the callable");
    EXPECT(thrown([&] { angry.log_weight(std::vector<std::uint8_t>(8, 0)); }) == "nothing");
    EXPECT(thrown([&] { Chains(angry, std::vector<std::uint8_t>(8, 1), 1); }) == "of the callable");
    EXPECT(thrown([&] { Tempering({1, 2}, {Target(8, pull), angry}, {single, single}, 1, std::vector<std::uint8_t>(16, 1), 1); }) == "of the callable");
    EXPECT(thrown([&] { Tempering({2, 2}, {Target(8, pull), angry}, {single, single}, 1, std::vector<std::uint8_t>(16, 0), 1); }).substr(0, 2) == "2 ");
    std::printf("wrapper.cpp: %s\n", failures ? "FAILED" : "passed");
    return failures != 0;
}
