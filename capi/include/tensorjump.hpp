// tensorjump for C++17: owners, exceptions, callables, and std::span where it is there. MIT OR Apache-2.0.
// What functions do, their shapes and errors: tensorjump.h. Every status but TJ_OK is thrown as tensorjump::Error.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif
#include "tensorjump.h"

namespace tensorjump {

/// A call that failed: its status and message.
struct Error : std::runtime_error {
    tj_status status;
    explicit Error(tj_status s) : std::runtime_error(tj_error_message()), status(s) {}
};

inline void check(tj_status status) {
    if (status != TJ_OK) throw Error(status);
}

/// Sets the number of threads: tj_set_threads.
inline void set_threads(std::size_t threads) { check(tj_set_threads(threads)); }

namespace detail {
template <auto F> struct Free {
    template <class T> void operator()(T *p) const noexcept { F(p); }
};
/// A shared owner: copies of a handle are one handle, as it never changes.
template <class T, auto F, class Make> std::shared_ptr<T> shared(Make make) {
    T *p = nullptr;
    check(make(&p));
    return std::shared_ptr<T>(p, Free<F>{});
}
inline void same(std::size_t expected, std::size_t got, const char *what) {
    if (expected != got)
        throw std::invalid_argument(std::string(what) + " has " + std::to_string(got) + " entries, expected " +
                                    std::to_string(expected));
}
template <class T> const T *or_null(const std::vector<T> &v, std::size_t n, const char *what) {
    if (v.empty()) return nullptr;
    same(n, v.size(), what);
    return v.data();
}
} // namespace detail

/// Configurations, configuration i at x[i*sites], with log-probabilities.
struct Samples {
    std::size_t sites;
    std::vector<std::uint8_t> x;
    std::vector<double> log_prob;
    std::size_t size() const { return log_prob.size(); }
    const std::uint8_t *operator[](std::size_t i) const { return x.data() + i * sites; }
#if __cplusplus >= 202002L
    std::span<const std::uint8_t> row(std::size_t i) const { return {x.data() + i * sites, sites}; }
#endif
};

/// Independent jumps at each site: tj_noise. Empty factors: 1 everywhere. Empty dims: 2 everywhere.
class Noise {
    std::shared_ptr<tj_noise> p;
    template <class Make> explicit Noise(Make make, int) : p(detail::shared<tj_noise, tj_noise_free>(make)) {}
    template <class Make> static Noise of(Make make) { return Noise(make, 0); }

public:
    static Noise flips(std::size_t sites, double up, double down, double time,
                       const std::vector<double> &factors = {}) {
        auto *f = detail::or_null(factors, sites, "factors");
        return of([&](tj_noise **out) { return tj_noise_flips(sites, up, down, time, f, out); });
    }
    static Noise uniform(const std::vector<std::size_t> &dims, double gamma, double time,
                         const std::vector<double> &factors = {}) {
        auto *f = detail::or_null(factors, dims.size(), "factors");
        return of([&](tj_noise **out) { return tj_noise_uniform(dims.size(), dims.data(), gamma, time, f, out); });
    }
    static Noise rates(const std::vector<std::size_t> &dims, const std::vector<double> &rates, double time,
                       const std::vector<double> &factors = {}) {
        auto *f = detail::or_null(factors, dims.size(), "factors");
        return of([&](tj_noise **out) {
            return tj_noise_rates(dims.size(), dims.data(), rates.data(), rates.size(), time, f, out);
        });
    }
    static Noise tables(const std::vector<std::size_t> &dims, const std::vector<double> &tables) {
        return of([&](tj_noise **out) {
            return tj_noise_tables(dims.size(), dims.data(), tables.data(), tables.size(), out);
        });
    }
    /// Noises configurations of so many sites.
    std::vector<std::uint8_t> apply(const std::vector<std::uint8_t> &x, std::size_t sites, std::uint64_t seed,
                                    std::uint64_t step = 0) const {
        std::vector<std::uint8_t> y(x.size());
        detail::same(x.size() / sites * sites, x.size(), "x");
        check(tj_noise_apply(get(), x.size() / sites, x.data(), seed, step, y.data()));
        return y;
    }
    const tj_noise *get() const { return p.get(); }
};

class Target;

/// A law that is drawn site by site: tj_model.
class Model {
    std::shared_ptr<tj_model> p;
    template <class Make> explicit Model(Make make, int) : p(detail::shared<tj_model, tj_model_free>(make)) {}
    template <class Make> static Model of(Make make) { return Model(make, 0); }

public:
    static Model ising_chain(double beta, std::size_t sites, bool ring = false,
                             const std::vector<double> &couplings = {}, const std::vector<double> &fields = {}) {
        auto *j = detail::or_null(couplings, ring ? sites : sites - (sites > 0), "couplings");
        auto *h = detail::or_null(fields, sites, "fields");
        return of([&](tj_model **out) { return tj_ising_chain(beta, sites, j, h, ring, out); });
    }
    /// From tensors, one after the other, (bonds[j], dims[j], bonds[j+1]) row-major.
    static Model positive(const std::vector<std::size_t> &dims, const std::vector<std::size_t> &bonds,
                          const std::vector<double> &tensors) {
        detail::same(dims.size() + 1, bonds.size(), "bonds");
        return of([&](tj_model **out) {
            return tj_mps_positive(dims.size(), dims.data(), bonds.data(), tensors.data(), tensors.size(), out);
        });
    }
    static Model born(const std::vector<std::size_t> &dims, const std::vector<std::size_t> &bonds,
                      const std::vector<double> &tensors) {
        detail::same(dims.size() + 1, bonds.size(), "bonds");
        return of([&](tj_model **out) {
            return tj_mps_born(dims.size(), dims.data(), bonds.data(), tensors.data(), tensors.size(), out);
        });
    }
    static Model complex(const std::vector<std::size_t> &dims, const std::vector<std::size_t> &bonds,
                         const std::vector<double> &re, const std::vector<double> &im) {
        detail::same(dims.size() + 1, bonds.size(), "bonds");
        detail::same(re.size(), im.size(), "im");
        return of([&](tj_model **out) {
            return tj_mps_complex(dims.size(), dims.data(), bonds.data(), re.data(), im.data(), re.size(), out);
        });
    }
    static Model fredkin(std::size_t sites, double c, std::size_t chi = 0) {
        return of([&](tj_model **out) { return tj_fredkin(sites, c, chi, out); });
    }
    static Model load(const std::string &path) {
        return of([&](tj_model **out) { return tj_model_load(path.c_str(), out); });
    }
    /// Of lattice targets: Target::ising, Target::pair, Target::pair_uniform.
    static Model boundary(const Target &lattice, std::size_t chi = 8);
    static Model boundary_proposal(const Target &lattice, std::size_t chi = 8);
    static Model snake(const Target &lattice, std::size_t chi);

    std::size_t sites() const { return tj_model_sites(get()); }
    std::vector<std::size_t> dims() const {
        std::vector<std::size_t> d(sites());
        check(tj_model_dims(get(), d.data()));
        return d;
    }
    double log_z() const { return tj_model_log_z(get()); }
    void save(const std::string &path) const { check(tj_model_save(get(), path.c_str())); }
    Samples sample(std::size_t n, std::uint64_t seed, std::uint64_t step = 0) const {
        Samples s{sites(), std::vector<std::uint8_t>(n * sites()), std::vector<double>(n)};
        check(tj_sample(get(), n, seed, step, s.x.data(), s.log_prob.data()));
        return s;
    }
    std::vector<double> log_prob(const std::vector<std::uint8_t> &x) const {
        std::vector<double> out(rows(x));
        check(tj_log_prob(get(), out.size(), x.data(), out.data()));
        return out;
    }
    Samples denoise(const Noise &noise, const std::vector<std::uint8_t> &y, std::uint64_t seed,
                    std::uint64_t step = 0) const {
        Samples s{sites(), std::vector<std::uint8_t>(y.size()), std::vector<double>(rows(y))};
        check(tj_denoise(get(), noise.get(), s.size(), y.data(), seed, step, s.x.data(), s.log_prob.data()));
        return s;
    }
    std::vector<double> denoise_log_prob(const Noise &noise, const std::vector<std::uint8_t> &x,
                                         const std::vector<std::uint8_t> &y) const {
        std::vector<double> out(rows(x));
        detail::same(x.size(), y.size(), "y");
        check(tj_denoise_log_prob(get(), noise.get(), out.size(), x.data(), y.data(), out.data()));
        return out;
    }
    const tj_model *get() const { return p.get(); }

private:
    std::size_t rows(const std::vector<std::uint8_t> &x) const {
        detail::same(x.size() / sites() * sites(), x.size(), "x");
        return x.size() / sites();
    }
};

/// An unnormalised law: tj_target. A callable may throw: the exception comes out of the call that asked.
class Target {
    struct Function {
        std::function<double(const std::uint8_t *)> f;
        std::mutex mutex;
        std::exception_ptr thrown;
    };
    // Declared first, freed last.
    std::shared_ptr<Function> function;
    std::shared_ptr<tj_target> p;

    static int call(void *context, std::size_t n, std::size_t sites, const std::uint8_t *x, double *out) noexcept {
        auto *function = static_cast<Function *>(context);
        try {
            for (std::size_t i = 0; i < n; i++) out[i] = function->f(x + i * sites);
            return 0;
        } catch (...) {
            std::lock_guard<std::mutex> lock(function->mutex);
            function->thrown = std::current_exception();
            return 1;
        }
    }
    template <class Make> explicit Target(Make make, int) : p(detail::shared<tj_target, tj_target_free>(make)) {}
    template <class Make> static Target of(Make make) { return Target(make, 0); }
    friend class Chains;
    friend class Tempering;
    /// Throws what the callable threw, if it did.
    void rethrow() const {
        if (!function) return;
        std::unique_lock<std::mutex> lock(function->mutex);
        auto thrown = std::exchange(function->thrown, nullptr);
        lock.unlock();
        if (thrown) std::rethrow_exception(thrown);
    }
    void finish(tj_status status) const {
        if (status == TJ_CALLBACK) rethrow();
        check(status);
    }

public:
    /// From a callable, log-weight of one configuration, which must be safe to call from several threads at once.
    Target(std::size_t sites, std::function<double(const std::uint8_t *)> f, const std::vector<std::size_t> &dims = {})
        : function(new Function{std::move(f), {}, nullptr}),
          p(detail::shared<tj_target, tj_target_free>([&](tj_target **out) {
              return tj_target_new(sites, detail::or_null(dims, sites, "dims"), call, function.get(), out);
          })) {}
    /// The law of a model.
    explicit Target(const Model &model)
        : Target([&](tj_target **out) { return tj_target_model(model.get(), out); }, 0) {}
    static Target ising(std::size_t rows, std::size_t cols, double beta, tj_geometry geometry = TJ_OPEN,
                        const double *horizontal = nullptr, const double *vertical = nullptr,
                        const double *field = nullptr) {
        return of(
            [&](tj_target **out) { return tj_ising(rows, cols, geometry, beta, horizontal, vertical, field, out); });
    }
    /// With bonds along the diagonals of the plaquettes; none of a direction whose couplings are null.
    static Target ising_diagonals(std::size_t rows, std::size_t cols, double beta, const double *diagonal,
                                  const double *antidiagonal, tj_geometry geometry = TJ_OPEN,
                                  const double *horizontal = nullptr, const double *vertical = nullptr,
                                  const double *field = nullptr) {
        return of([&](tj_target **out) {
            return tj_ising_diagonals(rows, cols, geometry, beta, horizontal, vertical, diagonal, antidiagonal, field, out);
        });
    }
    static Target pair(std::size_t rows, std::size_t cols, const std::vector<std::size_t> &dims,
                       const std::vector<double> &site, const std::vector<double> &horizontal,
                       const std::vector<double> &vertical, tj_geometry geometry = TJ_OPEN) {
        auto *d = detail::or_null(dims, rows * cols, "dims");
        return of([&](tj_target **out) {
            return tj_pair(rows, cols, geometry, d, site.data(), site.size(), horizontal.data(), horizontal.size(),
                           vertical.data(), vertical.size(), out);
        });
    }
    static Target pair_uniform(std::size_t rows, std::size_t cols, std::size_t states, const std::vector<double> &site,
                               const std::vector<double> &horizontal, const std::vector<double> &vertical = {},
                               tj_geometry geometry = TJ_OPEN) {
        auto *s = detail::or_null(site, states, "site");
        detail::same(states * states, horizontal.size(), "horizontal");
        auto *v = detail::or_null(vertical, states * states, "vertical");
        return of([&](tj_target **out) {
            return tj_pair_uniform(rows, cols, geometry, states, s, horizontal.data(), v, out);
        });
    }

    std::size_t sites() const { return tj_target_sites(get()); }
    std::vector<double> log_weight(const std::vector<std::uint8_t> &x) const {
        std::vector<double> out(x.size() / sites());
        detail::same(out.size() * sites(), x.size(), "x");
        finish(tj_target_log_weight(get(), out.size(), x.data(), out.data()));
        return out;
    }
    /// log Z of a lattice target.
    double contract(double tolerance = 1e-6, std::size_t chi_max = 256) const {
        double log_z;
        check(tj_contract(get(), tolerance, chi_max, &log_z, nullptr));
        return log_z;
    }
    tj_assessment importance(const Model &model, std::size_t n, std::uint64_t seed, std::uint64_t step = 0) const {
        tj_assessment result;
        finish(tj_importance(model.get(), get(), n, seed, step, &result));
        return result;
    }
    const tj_target *get() const { return p.get(); }
};

inline Model Model::boundary(const Target &lattice, std::size_t chi) {
    return of([&](tj_model **out) { return tj_boundary(lattice.get(), chi, out); });
}
inline Model Model::boundary_proposal(const Target &lattice, std::size_t chi) {
    return of([&](tj_model **out) { return tj_boundary_proposal(lattice.get(), chi, out); });
}
inline Model Model::snake(const Target &lattice, std::size_t chi) {
    return of([&](tj_model **out) { return tj_snake(lattice.get(), chi, out); });
}

/// Proposals with log-ratios: tj_proposal.
class Proposal {
    std::shared_ptr<tj_proposal> p;
    template <class Make> explicit Proposal(Make make, int) : p(detail::shared<tj_proposal, tj_proposal_free>(make)) {}
    template <class Make> static Proposal of(Make make) { return Proposal(make, 0); }

public:
    static Proposal disconnected(const Model &model) {
        return of([&](tj_proposal **out) { return tj_disconnected(model.get(), out); });
    }
    static Proposal connected(const Model &model, const Noise &noise) {
        return of([&](tj_proposal **out) { return tj_connected(model.get(), noise.get(), out); });
    }
    static Proposal single_site(const std::vector<std::size_t> &dims) {
        return of([&](tj_proposal **out) { return tj_single_site(dims.size(), dims.data(), out); });
    }
    static Proposal exchange(const std::vector<std::size_t> &dims, const std::vector<std::size_t> &pairs) {
        return of([&](tj_proposal **out) {
            return tj_exchange(dims.size(), dims.data(), pairs.size() / 2, pairs.data(), out);
        });
    }
    static Proposal mixture(const std::vector<double> &probabilities, const std::vector<Proposal> &parts) {
        detail::same(probabilities.size(), parts.size(), "parts");
        std::vector<const tj_proposal *> handles;
        for (auto &part : parts) handles.push_back(part.get());
        return of(
            [&](tj_proposal **out) { return tj_mixture(handles.size(), probabilities.data(), handles.data(), out); });
    }
    std::size_t sites() const { return tj_proposal_sites(get()); }
    /// Of one configuration, into x_new[sites]; returns the log-ratio.
    double propose(const std::uint8_t *x, std::uint8_t *x_new, std::uint64_t seed, std::uint64_t step) const {
        double log_ratio;
        check(tj_propose(get(), 1, x, seed, step, x_new, &log_ratio));
        return log_ratio;
    }
    /// Of many.
    std::vector<double> propose(const std::vector<std::uint8_t> &x, std::vector<std::uint8_t> &x_new,
                                std::uint64_t seed, std::uint64_t step) const {
        std::vector<double> log_ratio(x.size() / sites());
        detail::same(log_ratio.size() * sites(), x.size(), "x");
        x_new.resize(x.size());
        check(tj_propose(get(), log_ratio.size(), x.data(), seed, step, x_new.data(), log_ratio.data()));
        return log_ratio;
    }
    const tj_proposal *get() const { return p.get(); }
};

/// Independent draws one by one: tj_draws. Not copied.
class Draws {
    std::unique_ptr<tj_draws, detail::Free<tj_draws_free>> p;

public:
    explicit Draws(const Model &model, std::uint64_t seed, std::uint64_t step = 0, std::size_t ahead = 1024) {
        tj_draws *draws;
        check(tj_draws_new(model.get(), seed, step, ahead, &draws));
        p.reset(draws);
    }
    /// The next draw into x[sites]; returns its log-probability.
    double next(std::uint8_t *x) {
        double log_prob;
        check(tj_draws_next(p.get(), x, &log_prob));
        return log_prob;
    }
};

/// Markov chains of this library: tj_chains. Not copied.
class Chains {
    Target target; // keeps a callable alive
    std::size_t count;
    std::unique_ptr<tj_chains, detail::Free<tj_chains_free>> p;

public:
    Chains(const Target &of, const std::vector<std::uint8_t> &x, std::uint64_t seed)
        : target(of), count(x.size() / of.sites()) {
        tj_chains *chains = nullptr;
        detail::same(count * of.sites(), x.size(), "x");
        target.finish(tj_chains_new(target.get(), count, x.data(), seed, &chains));
        p.reset(chains);
    }
    tj_report advance(const Proposal &proposal, std::size_t updates) {
        tj_report report;
        target.finish(tj_chains_advance(p.get(), proposal.get(), updates, &report));
        return report;
    }
    /// Shared out over processes: tj_chains_advance_over.
    tj_report advance_over(const tj_ranks &ranks, const Proposal &proposal, std::size_t updates) {
        tj_report report;
        target.finish(tj_chains_advance_over(p.get(), &ranks, proposal.get(), updates, &report));
        return report;
    }
    std::vector<std::uint8_t> x() const {
        std::vector<std::uint8_t> x(count * target.sites());
        check(tj_chains_read(p.get(), count, x.data(), nullptr));
        return x;
    }
    std::vector<double> log_weight() const {
        std::vector<double> out(count);
        check(tj_chains_read(p.get(), count, nullptr, out.data()));
        return out;
    }
};

/// Parallel tempering: tj_tempering. Not copied. What a callable throws comes out of the call that it stopped.
class Tempering {
    std::vector<Target> targets; // keep callables alive
    std::size_t copies;
    std::unique_ptr<tj_tempering, detail::Free<tj_tempering_free>> p;

    void finish(tj_status status) const {
        if (status == TJ_CALLBACK)
            for (auto &target : targets) target.rethrow();
        check(status);
    }

public:
    /// x[levels*copies*sites]: the starts, level by level.
    Tempering(const std::vector<double> &parameters, std::vector<Target> of, const std::vector<Proposal> &proposals,
              std::size_t moves, const std::vector<std::uint8_t> &x, std::uint64_t seed)
        : targets(std::move(of)), copies(0) {
        detail::same(parameters.size(), targets.size(), "targets");
        detail::same(parameters.size(), proposals.size(), "proposals");
        std::vector<const tj_target *> t;
        std::vector<const tj_proposal *> q;
        for (auto &target : targets) t.push_back(target.get());
        for (auto &proposal : proposals) q.push_back(proposal.get());
        if (!targets.empty()) copies = x.size() / (targets.size() * targets[0].sites());
        detail::same(targets.empty() ? 0 : copies * targets.size() * targets[0].sites(), x.size(), "x");
        tj_tempering *tempering = nullptr;
        finish(tj_tempering_new(t.size(), parameters.data(), t.data(), q.data(), moves, copies, x.data(), seed,
                                &tempering));
        p.reset(tempering);
    }
    void advance(std::size_t updates) { finish(tj_tempering_advance(p.get(), updates)); }
    /// Shared out over processes: tj_tempering_advance_over.
    void advance_over(const tj_ranks &ranks, std::size_t updates) {
        finish(tj_tempering_advance_over(p.get(), &ranks, updates));
    }
    std::vector<std::uint8_t> x(std::size_t level) const {
        std::vector<std::uint8_t> x(copies * targets[0].sites());
        check(tj_tempering_read(p.get(), level, copies, x.data(), nullptr));
        return x;
    }
    std::vector<double> swap_rates() const {
        std::vector<double> rates(targets.size() - 1);
        check(tj_tempering_rates(p.get(), targets.size(), rates.data(), nullptr));
        return rates;
    }
};

} // namespace tensorjump
