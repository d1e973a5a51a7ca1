/*
 * tensorjump: tensor-network samplers for lattice systems. The C interface. MIT OR Apache-2.0.
 * Made by cbindgen from capi/src; do not edit.
 *
 * Configurations. One byte a site, states from 0. A batch of n configurations is x[n*sites], configuration i at
 * x + i*sites (column-major languages: x(sites, n)). Sites of a lattice: r*cols + c. Numbers are double, logarithms
 * natural, log-probabilities in nats. sites is that of the handle: tj_model_sites, tj_target_sites, ...
 *
 * Handles own what they need, are freed by their tj_..._free, in any order, once. Models, targets, proposals and
 * noise may be used by several threads at once; draws, chains and tempering by one call at a time (another gets
 * TJ_BUSY).
 *
 * Errors. Functions return a tj_status; tj_error_message() says what is wrong, for each thread its own. A pointer
 * is NULL only where its function says so, and points to as many elements as its function says: a buffer that is
 * too short cannot be seen, nor can a handle that was freed. Buffers of results need not be set before.
 *
 * Randomness is named by the caller: equal (seed, step) give equal results, on any number of threads. Calls that
 * must be independent differ in one of them.
 *
 * Memory that is exhausted ends the process. After fork() a child may go on using the library.
 */


#ifndef TENSORJUMP_H
#define TENSORJUMP_H

#include <stddef.h>
#include <stdint.h>

/**
 * What a call came to. Everything but `TJ_OK` leaves a message for `tj_error_message`, and buffers and
 * handles as they were unless a function says otherwise (`*out` of a constructor is then NULL).
 */
typedef enum {
  /**
   * All is well.
   */
  TJ_OK = 0,
  /**
   * A pointer is NULL that must not be.
   */
  TJ_NULL = 1,
  /**
   * An argument is refused; the message names it and its value.
   */
  TJ_INPUT = 2,
  /**
   * Conditioning on something of probability zero; the message names the row.
   */
  TJ_ZERO_EVIDENCE = 3,
  /**
   * A file cannot be read or written, is damaged, or of another kind.
   */
  TJ_FILE = 4,
  /**
   * A decomposition or contraction did not converge.
   */
  TJ_NUMERIC = 5,
  /**
   * Larger than the library's guard, or than memory can be.
   */
  TJ_TOO_LARGE = 6,
  /**
   * The caller's function returned a number other than zero.
   */
  TJ_CALLBACK = 7,
  /**
   * A defect of the library: please report the message.
   */
  TJ_PANIC = 8,
  /**
   * A pointer is no handle of the kind that the function takes (or one freed before).
   */
  TJ_HANDLE = 9,
  /**
   * Draws, chains or tempering that another call is working on.
   */
  TJ_BUSY = 10,
  /**
   * Another rank failed, which has the error itself; the message names the rank.
   */
  TJ_RANK = 11,
} tj_status;

/**
 * Which directions of a lattice wrap around.
 */
typedef enum {
  /**
   * None: a rectangle with free edges.
   */
  TJ_OPEN = 0,
  /**
   * The columns: each row is a ring, the first and the last row are free.
   */
  TJ_CYLINDER = 1,
  /**
   * Both: a torus.
   */
  TJ_TORUS = 2,
} tj_geometry;

/**
 * Markov chains of a target, side by side. For one thread at a time; it keeps what it needs of the target
 * (but for the context of a caller's function).
 */
typedef struct tj_chains tj_chains;

/**
 * Independent draws of a model, made ahead by the batch and handed out one by one. For one thread at a time;
 * it keeps what it needs of the model.
 */
typedef struct tj_draws tj_draws;

/**
 * A normalised law that is drawn site by site, with known log-probabilities. Immutable; may be used by
 * several threads at once. Proposals, draws, targets made from it keep what they need: it may be freed
 * before them.
 */
typedef struct tj_model tj_model;

/**
 * Noise: independent jumps at each site for some time, `K(x, y) = Π_j K_j(x_j → y_j)`. Immutable; may be
 * used by several threads at once.
 */
typedef struct tj_noise tj_noise;

/**
 * A law of proposals `x → x'` with known density ratio. Accept with probability `min(1, e^(log_weight(x') −
 * log_weight(x) + log_ratio))`: exact for every target. Immutable; may be used by several threads at once.
 * It keeps what it needs of models and noise.
 */
typedef struct tj_proposal tj_proposal;

/**
 * An unnormalised law: log-weights of configurations. Immutable; may be used by several threads at once.
 * What is made from it keeps what it needs, but for the context of a caller's function, which must outlive
 * all of that.
 */
typedef struct tj_target tj_target;

/**
 * Parallel tempering: targets along a ladder, whose chains exchange configurations. For one thread at a
 * time; it keeps what it needs (but for the contexts of a caller's functions).
 */
typedef struct tj_tempering tj_tempering;

/**
 * What happened in updates, summed over chains.
 */
typedef struct {
  /**
   * Proposals made.
   */
  uint64_t proposed;
  /**
   * Proposals accepted.
   */
  uint64_t accepted;
  /**
   * Updates that changed the configuration.
   */
  uint64_t moved;
  /**
   * Proposals rejected because the model cannot propose the present configuration: one that is counted at
   * each update never moves.
   */
  uint64_t unsupported;
  /**
   * Proposals not made because no configuration of the model explains the noisy one.
   */
  uint64_t impossible;
} tj_report;

/**
 * A caller's function, one `MPI_Allgather`: every rank calls it with the same `n` and its own `mine[n]`, and
 * gets the numbers of all ranks in `all[size*n]`, rank by rank, with their bits as they are. Returns 0;
 * another number ends the call that asked with `TJ_CALLBACK`. It is called on the thread that made that call
 * (in a forked child on another), and must not throw or jump out.
 */
typedef int (*tj_all_gather)(void *context, const double *mine, size_t n, double *all);

/**
 * The processes that share out one piece of work, as an MPI communicator has them; `docs/ranks.md`. The
 * struct and what `context` points to are the caller's, needed during a call only.
 *
 * Functions over ranks are collective: all ranks make the same calls with the same arguments, and all have
 * the whole result, bit for bit that of one process. A NULL pointer to a `tj_ranks` is one process.
 *
 * Where one rank fails it gets its own error and the others `TJ_RANK`: nobody waits for ever. Three failures
 * the others cannot be told of: a `tj_ranks` that is refused, an `all_gather` that returns another number
 * than 0, `TJ_PANIC`. After these end all processes (`MPI_Abort`).
 */
typedef struct {
  /**
   * What `all_gather` is called with; may be NULL.
   */
  void *context;
  /**
   * Number of this process, `0 ≤ rank < size`.
   */
  size_t rank;
  /**
   * Number of processes.
   */
  size_t size;
  /**
   * Gathers equal counts of numbers.
   */
  tj_all_gather all_gather;
} tj_ranks;

/**
 * A caller's function: writes the log-weights of the configurations `x[n*sites]`, in nats, into
 * `log_weight[n]`, −∞ where forbidden. Returns 0; another number ends the call that asked with
 * `TJ_CALLBACK`. It may be called from several threads at once, unless `tj_set_threads(1)` was called and
 * only one thread uses the target. It must not throw or jump out.
 */
typedef int (*tj_log_weight)(void *context, size_t n, size_t sites, const uint8_t *x, double *log_weight);

/**
 * What importance weights say of a model as a proposal for a target.
 */
typedef struct {
  /**
   * Acceptance of the disconnected move in equilibrium, and its standard error.
   */
  double acceptance;
  /**
   * See `acceptance`.
   */
  double acceptance_error;
  /**
   * Effective fraction of the draws under importance weights.
   */
  double ess_fraction;
  /**
   * `log Z` of the target by the mean weight, in nats, and its standard error.
   */
  double log_z;
  /**
   * See `log_z`.
   */
  double log_z_error;
  /**
   * Fraction of the draws that the target forbids.
   */
  double outside;
} tj_assessment;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts `n` chains of the target at the configurations `x[n*sites]`. `seed` names all their randomness;
 * chain `i` does not depend on the others, nor on the number of threads.
 *
 * Errors: `TJ_INPUT` for no chains, a state that the site does not have, a start of weight 0; `TJ_CALLBACK`;
 * `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
 */
tj_status tj_chains_new(const tj_target *target, size_t n, const uint8_t *x, uint64_t seed, tj_chains **out);

/**
 * Updates each chain `updates` times by Metropolis–Hastings with this proposal, which may be another one
 * than before. What happened is written to `*report` (NULL: not wanted). 500 and then 500 updates are 1000.
 *
 * Errors, after which the chains stand at the last complete update: `TJ_INPUT` for a proposal of other
 * sites, a log-weight NaN or +∞; `TJ_CALLBACK`; `TJ_BUSY` while another call works on the chains; `TJ_NULL`,
 * `TJ_HANDLE`.
 */
tj_status tj_chains_advance(const tj_chains *chains, const tj_proposal *proposal, size_t updates, tj_report *report);

/**
 * As `tj_chains_advance`, the chains shared out over processes: every rank has made the same chains, with
 * the same seed, makes this call with the same arguments, and then has all chains, bit for bit those of one
 * process. `*report` counts what all ranks did. The ranks gather at the start and at the end of the call, 8
 * bytes for 52 spins and 8 a chain: make many updates a call. At least one chain a rank.
 *
 * Errors, after which the chains stand where they stood before: as `tj_chains_advance`; `TJ_RANK` where
 * another rank failed; `TJ_INPUT` for fewer chains than ranks, arguments or chains that differ between
 * ranks, `rank ≥ size`; `TJ_CALLBACK` also of `all_gather`, `TJ_NULL` also for none.
 */
tj_status tj_chains_advance_over(const tj_chains *chains,
                                 const tj_ranks *ranks,
                                 const tj_proposal *proposal,
                                 size_t updates,
                                 tj_report *report);

/**
 * Where the chains stand: configurations into `x[n*sites]`, log-weights into `log_weight[n]`, `n` that of
 * `tj_chains_new`. Either may be NULL: not wanted.
 *
 * Errors: `TJ_BUSY`, `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_chains_read(const tj_chains *chains, size_t n, uint8_t *x, double *log_weight);

/**
 * Frees chains. NULL is allowed; freeing twice is not.
 */
void tj_chains_free(tj_chains *chains);

/**
 * Draws of the model, `ahead` at a time (1024 is good). Draw `i` is row `i` of `tj_sample` with the same
 * `(seed, step)`, whatever `ahead` is.
 *
 * Errors: `TJ_INPUT` for `ahead = 0`; `TJ_TOO_LARGE`; `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_draws_new(const tj_model *model, uint64_t seed, uint64_t step, size_t ahead, tj_draws **out);

/**
 * The next draw: its configuration into `x[sites]`, its log-probability in nats into `*log_prob`.
 *
 * An independence chain accepts a draw `x'` with probability `min(1, e^(log_weight(x') − log_weight(x) +
 * log_prob(x) − log_prob(x')))`, `log_prob(x)` being known from when `x` was drawn.
 *
 * Errors: `TJ_BUSY` while another thread is in a call with it; `TJ_NULL`, `TJ_HANDLE`. The draw is then not
 * lost.
 */
tj_status tj_draws_next(const tj_draws *draws, uint8_t *x, double *log_prob);

/**
 * Frees draws. NULL is allowed; freeing twice is not.
 */
void tj_draws_free(tj_draws *draws);

/**
 * A model from a `.safetensors` file that this library wrote, or anybody by the layout in its documentation:
 * a Born law or a non-negative law, learned models among them. `path`: UTF-8.
 *
 * Errors: `TJ_FILE` for a file that cannot be read, is damaged or holds no law; `TJ_INPUT` for tensors that
 * are no law; `TJ_NULL`.
 */
tj_status tj_model_load(const char *path, tj_model **out);

/**
 * Writes a model made from tensors, a chain, or a file, whole or not at all. `path`: UTF-8.
 *
 * Errors: `TJ_FILE`; `TJ_INPUT` for a model of another kind; `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_model_save(const tj_model *model, const char *path);

/**
 * The Ising model or glass `exp(beta (Σ J s s + Σ h s))` on `rows x cols` sites, site `r*cols + c`, state 1
 * for spin +1: a target, from which `tj_boundary`, `tj_snake`, `tj_contract` make more.
 *
 * `horizontal`: couplings of `(r, c)` with `(r, c+1)`, row by row: `cols - 1` a row, `cols` where columns
 * wrap. `vertical`: couplings of `(r, c)` with `(r+1, c)`: `cols` for each of `rows - 1` rows, `rows` on a
 * torus. NULL for all 1. `field[rows*cols]`, NULL for none. `geometry`: a `tj_geometry`.
 *
 * Errors: `TJ_INPUT` for no rows or columns, fewer than 3 where a direction wraps, another geometry, numbers
 * not finite; `TJ_TOO_LARGE` above 2^24 sites; `TJ_NULL`.
 */
tj_status tj_ising(size_t rows,
                   size_t cols,
                   int geometry,
                   double beta,
                   const double *horizontal,
                   const double *vertical,
                   const double *field,
                   tj_target **out);

/**
 * `tj_ising` with bonds along the diagonals of the plaquettes besides: `diagonal`, of `(r, c)` with `(r+1,
 * c+1)`, and `antidiagonal`, of `(r, c+1)` with `(r+1, c)`, plaquette by plaquette: `cols - 1` a row,
 * `cols` where columns wrap; `rows - 1` rows, `rows` on a torus. NULL for no bonds of a direction: one of
 * the two is the triangular lattice, both are J1-J2 models and the king's graph.
 *
 * Errors: as `tj_ising`; `tj_snake` and some moves refuse these lattices with `TJ_INPUT`.
 */
tj_status tj_ising_diagonals(size_t rows,
                             size_t cols,
                             int geometry,
                             double beta,
                             const double *horizontal,
                             const double *vertical,
                             const double *diagonal,
                             const double *antidiagonal,
                             const double *field,
                             tj_target **out);

/**
 * Any pair weights on `rows x cols` sites, given as logarithms, −∞ for what is forbidden:
 * `Π_j e^(site_j[x_j]) Π_bonds e^(bond[x_i, x_j])`. A target, as `tj_ising`.
 *
 * `dims[rows*cols]`: numbers of states, NULL for 2 everywhere. `site[site_length]`: the log-weights of the
 * states of each site, one site after the other. `horizontal[horizontal_length]`,
 * `vertical[vertical_length]`: a table a bond, in the order of `tj_ising`, of shape `(dims[i], dims[j])`
 * row-major, `i` the left or upper site.
 *
 * Errors: `TJ_INPUT` for a length that does not fit, NaN or +∞, constraints that leave a site without
 * states; else as `tj_ising`.
 */
tj_status tj_pair(size_t rows,
                  size_t cols,
                  int geometry,
                  const size_t *dims,
                  const double *site,
                  size_t site_length,
                  const double *horizontal,
                  size_t horizontal_length,
                  const double *vertical,
                  size_t vertical_length,
                  tj_target **out);

/**
 * As `tj_pair`, the same weights everywhere: `site[states]`, NULL for none, and tables
 * `horizontal[states*states]`, `vertical[states*states]`, `vertical` NULL for those of `horizontal` (Potts
 * and clock models, hard squares, colourings).
 *
 * Errors: as `tj_pair`; `TJ_INPUT` for `states` outside 1 to 256.
 */
tj_status tj_pair_uniform(size_t rows,
                          size_t cols,
                          int geometry,
                          size_t states,
                          const double *site,
                          const double *horizontal,
                          const double *vertical,
                          tj_target **out);

/**
 * The law of a lattice model (`tj_ising`, `tj_ising_diagonals`, `tj_pair`, `tj_pair_uniform`) drawn row by
 * row against boundary states of bond dimension `chi`. Where nothing is truncated it is the law itself to
 * single precision, else close to it with exact log-probabilities; the critical Ising model of 64 x 64
 * sites is accepted at 0.99 with `chi = 8`. Cost of a draw: `sites (d + 1) chi²` multiplications.
 *
 * Errors: `TJ_INPUT` for `chi = 0`, a target of another kind; `TJ_NUMERIC` where the precision does
 * not hold the law (frustrated couplings at low temperature: see `tj_boundary_proposal`); `TJ_NULL`,
 * `TJ_HANDLE`.
 */
tj_status tj_boundary(const tj_target *target, size_t chi, tj_model **out);

/**
 * As `tj_boundary`, for moves with an acceptance test only: not compared with anything, at half the cost.
 * Averages over its draws without an acceptance test may be wrong without a sign.
 *
 * Errors: as `tj_boundary`, but for those of the comparisons.
 */
tj_status tj_boundary_proposal(const tj_target *target, size_t chi, tj_model **out);

/**
 * `tj_ising` and `tj_boundary` in one.
 *
 * Errors: of both.
 */
tj_status tj_boundary_ising(size_t rows,
                            size_t cols,
                            int geometry,
                            double beta,
                            const double *horizontal,
                            const double *vertical,
                            const double *field,
                            size_t chi,
                            tj_model **out);

/**
 * The law of a lattice model as a Born matrix-product state along a snake: exact for `chi` large enough,
 * `log Z` always exact, and exactly denoised. For lattices up to 12 spins wide (less for more states).
 *
 * Errors: `TJ_TOO_LARGE` for wider lattices; else as `tj_boundary`.
 */
tj_status tj_snake(const tj_target *target, size_t chi, tj_model **out);

/**
 * `log Z` in nats of a lattice model by boundary states whose bond dimension grows to
 * `chi_max` until two values agree to `tolerance`. `*log_z` is the last value, `*change` its difference to
 * the one before (NULL: not wanted).
 *
 * Errors: `TJ_NUMERIC` where `tolerance` is not reached, the values being written all the same; else as
 * `tj_boundary`.
 */
tj_status tj_contract(const tj_target *target, double tolerance, size_t chi_max, double *log_z, double *change);

/**
 * The nearest-neighbour Ising chain or ring, `P(x) ∝ exp(beta (Σ J_j s_j s_{j+1} + Σ h_j s_j))`, state 1 for
 * spin +1, state 0 for spin −1; exact.
 *
 * `couplings`: `sites - 1` numbers, `sites` for a ring (the last couples the last site to the first); NULL
 * for all 1. `fields`: `sites` numbers; NULL for none. `ring`: 0 or 1.
 *
 * Errors: `TJ_INPUT` for no sites, numbers not finite, a ring of fewer than 3 sites; `TJ_NULL`.
 */
tj_status tj_ising_chain(double beta,
                         size_t sites,
                         const double *couplings,
                         const double *fields,
                         int ring,
                         tj_model **out);

/**
 * A non-negative law from tensors, `P(x) ∝ A_0[x_0] A_1[x_1] ⋯`, all entries at least 0.
 *
 * `dims[sites]`: numbers of states, 1 to 256; NULL for 2 everywhere. `bonds[sites + 1]`: bond dimensions,
 * the first and the last 1. `tensors[length]`: all tensors one after the other, tensor `j` of shape
 * `(bonds[j], dims[j], bonds[j+1])` row-major: the last index runs fastest. (Column-major languages: the
 * shape is `(bonds[j+1], dims[j], bonds[j])`.)
 *
 * Errors: `TJ_INPUT` for a `length` that is not the sum of the sizes, shapes that do not fit, numbers
 * negative or not finite, total weight 0; `TJ_NULL`.
 */
tj_status tj_mps_positive(size_t sites,
                          const size_t *dims,
                          const size_t *bonds,
                          const double *tensors,
                          size_t length,
                          tj_model **out);

/**
 * A Born law from real tensors, `P(x) ∝ |A_0[x_0] A_1[x_1] ⋯|²`; tensors as in `tj_mps_positive`, of any
 * sign. A last bond `K > 1` is summed over (mixtures, purifications): `P(x) ∝ Σ_k ψ_k(x)²`, `K` at most 256.
 *
 * Errors: as `tj_mps_positive`.
 */
tj_status tj_mps_born(size_t sites,
                      const size_t *dims,
                      const size_t *bonds,
                      const double *tensors,
                      size_t length,
                      tj_model **out);

/**
 * A Born law from complex tensors, `P(x) ∝ |ψ(x)|²`; real and imaginary parts each as in `tj_mps_born`, of
 * `length` numbers each. A last bond up to 128 is summed over.
 *
 * Errors: as `tj_mps_positive`.
 */
tj_status tj_mps_complex(size_t sites,
                         const size_t *dims,
                         const size_t *bonds,
                         const double *re,
                         const double *im,
                         size_t length,
                         tj_model **out);

/**
 * The equilibrium law of the stochastic Fredkin chain at parameter `0 < c < 1`: paths from height 0 to
 * height 0 that never go below, state 1 a step up, `P = q^k/Z` with `q = c/(1 − c)` and `k = (Σ_j height_j −
 * sites/2)/2`. Exact for `chi = 0`; else restricted to the `chi` likeliest heights at each bond, `log Z`
 * that of these paths.
 *
 * Errors: `TJ_INPUT` for an odd number of sites or none, `c` out of range; `TJ_TOO_LARGE` above about 45,000
 * sites.
 */
tj_status tj_fredkin(size_t sites, double c, size_t chi, tj_model **out);

/**
 * Frees a model. NULL is allowed; freeing twice is not.
 */
void tj_model_free(tj_model *model);

/**
 * Number of sites; 0 for what is no model.
 */
size_t tj_model_sites(const tj_model *model);

/**
 * Number of states of each site, into `dims[sites]`.
 *
 * Errors: `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_model_dims(const tj_model *model, size_t *dims);

/**
 * `log Z` in nats of what the model was made from; NaN for what is no model. Ising and Fredkin chains:
 * exact. Boundary laws: by their contraction. Tensors: `log Σ_x` of the weights that they stand for.
 */
double tj_model_log_z(const tj_model *model);

/**
 * Draws `n` independent configurations into `x[n*sites]`, configuration `i` at `x + i*sites`, and their
 * log-probabilities in nats into `log_prob[n]` (NULL: not wanted).
 *
 * `(seed, step)` name the randomness: equal ones give equal draws, on any number of threads; row `i` is the
 * same whatever `n` is. A loop with one configuration draws faster by `tj_draws`.
 *
 * Errors: `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
 */
tj_status tj_sample(const tj_model *model, size_t n, uint64_t seed, uint64_t step, uint8_t *x, double *log_prob);

/**
 * Log-probabilities in nats of the configurations `x[n*sites]` into `log_prob[n]`; −∞ for impossible ones.
 * Of a draw bit for bit what `tj_sample` returned with it.
 *
 * Errors: `TJ_INPUT` for a state that the site does not have; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
 */
tj_status tj_log_prob(const tj_model *model, size_t n, const uint8_t *x, double *log_prob);

/**
 * Denoises: draws `x ~ P(x | y)` for each configuration of `y[n*sites]`, which the noise made from a draw of
 * the model, into `x[n*sites]`, with `log P(x | y)` in nats into `log_prob[n]` (NULL: not wanted). `x` may
 * be `y`. Exact for chains, tensors, snakes and Fredkin; of boundary laws the law that they draw from.
 *
 * `(seed, step)` as in `tj_sample`; they may be those of the draw and of the noise.
 *
 * Errors: `TJ_ZERO_EVIDENCE` naming a row that the model cannot have produced; `TJ_INPUT` for noise of other
 * sites, states out of range; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
 */
tj_status tj_denoise(const tj_model *model,
                     const tj_noise *noise,
                     size_t n,
                     const uint8_t *y,
                     uint64_t seed,
                     uint64_t step,
                     uint8_t *x,
                     double *log_prob);

/**
 * `log P(x | y)` in nats for each pair of configurations of `x[n*sites]` and `y[n*sites]`, into
 * `log_prob[n]`: bit for bit what `tj_denoise` returns.
 *
 * Errors: as `tj_denoise`.
 */
tj_status tj_denoise_log_prob(const tj_model *model,
                              const tj_noise *noise,
                              size_t n,
                              const uint8_t *x,
                              const uint8_t *y,
                              double *log_prob);

/**
 * Flips of binary sites for `time`: 0 → 1 at rate `up`, 1 → 0 at rate `down`.
 *
 * `factors[sites]` multiplies the rates site by site: 0 leaves a site alone, so that a region is noised;
 * NULL for 1 everywhere. `time` may be infinite: a site then forgets its state.
 *
 * Errors: `TJ_INPUT` for no sites, a rate, factor or time negative or NaN; `TJ_NULL`.
 */
tj_status tj_noise_flips(size_t sites, double up, double down, double time, const double *factors, tj_noise **out);

/**
 * Uniform noise for `time`: at rate `gamma` a site forgets its state and takes any of its states.
 *
 * `dims[sites]`: numbers of states, NULL for 2 everywhere; `factors`, `time` as in `tj_noise_flips`.
 *
 * Errors: as `tj_noise_flips`.
 */
tj_status tj_noise_uniform(size_t sites,
                           const size_t *dims,
                           double gamma,
                           double time,
                           const double *factors,
                           tj_noise **out);

/**
 * Noise by any rates for `time`.
 *
 * `rates[length]`: one matrix a site, `dims[j] × dims[j]` row-major, one after the other; entry `(a, b)` is
 * the rate from state `a` to state `b`, rows sum to 0. `dims`, `factors`, `time` as in `tj_noise_uniform`.
 *
 * Errors: as `tj_noise_flips`; `TJ_INPUT` for a `length` that is not `Σ dims[j]²`, a negative rate, a row
 * that does not sum to 0.
 */
tj_status tj_noise_rates(size_t sites,
                         const size_t *dims,
                         const double *rates,
                         size_t length,
                         double time,
                         const double *factors,
                         tj_noise **out);

/**
 * Noise by any single-site kernels: `tables[length]`, one matrix a site as in `tj_noise_rates`, entry `(a,
 * b)` the probability of `b` after `a`, rows sum to 1. `dims` as in `tj_noise_uniform`.
 *
 * Errors: `TJ_INPUT` for a `length` that is not `Σ dims[j]²`, a negative entry, a row that does not sum to
 * 1.
 */
tj_status tj_noise_tables(size_t sites, const size_t *dims, const double *tables, size_t length, tj_noise **out);

/**
 * Frees noise. NULL is allowed; freeing twice is not.
 */
void tj_noise_free(tj_noise *noise);

/**
 * Noises each configuration of `x[n*sites]` into `y[n*sites]`; `y` may be `x`. `(seed, step)` as in
 * `tj_sample`.
 *
 * Errors: `TJ_INPUT` for a state that the site does not have; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
 */
tj_status tj_noise_apply(const tj_noise *noise, size_t n, const uint8_t *x, uint64_t seed, uint64_t step, uint8_t *y);

/**
 * `log K(x, y)` in nats for each pair of configurations of `x[n*sites]` and `y[n*sites]`, into
 * `log_prob[n]`.
 *
 * Errors: as `tj_noise_apply`.
 */
tj_status tj_noise_log_prob(const tj_noise *noise, size_t n, const uint8_t *x, const uint8_t *y, double *log_prob);

/**
 * Proposes plain draws of the model, whatever `x` is. A loop over one configuration draws faster by
 * `tj_draws`.
 *
 * Errors: `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_disconnected(const tj_model *model, tj_proposal **out);

/**
 * Proposes by noise and its inverse: `y ~ K(x, ·)`, then `x' ~ P(· | y)` by the model. Short noise makes
 * small moves that are mostly accepted; noise in a region resamples that region; infinite noise is
 * `tj_disconnected`.
 *
 * Errors: `TJ_INPUT` for noise of other sites or states; `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_connected(const tj_model *model, const tj_noise *noise, tj_proposal **out);

/**
 * Proposes another state at one site, both chosen uniformly. `dims[sites]`: numbers of states, NULL for 2
 * everywhere.
 *
 * Errors: `TJ_INPUT` where no site has two states, or one more than 256; `TJ_NULL`.
 */
tj_status tj_single_site(size_t sites, const size_t *dims, tj_proposal **out);

/**
 * Proposes to exchange the states of one of the pairs of sites `(pairs[2i], pairs[2i+1])`, chosen uniformly:
 * keeps the number of particles. `dims[sites]`: numbers of states, NULL for 2 everywhere.
 *
 * Errors: `TJ_INPUT` for no pairs, a pair of equal sites or sites of different numbers of states; `TJ_NULL`.
 */
tj_status tj_exchange(size_t sites, const size_t *dims, size_t count, const size_t *pairs, tj_proposal **out);

/**
 * One of `count` proposals, `parts[i]` with `probabilities[i]`, chosen anew for each step, the same for all
 * configurations of a call.
 *
 * Errors: `TJ_INPUT` for no parts, a negative probability, probabilities that do not sum to 1 (to 1e-12),
 * parts for different sites; `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_mixture(size_t count, const double *probabilities, const tj_proposal *const *parts, tj_proposal **out);

/**
 * Frees a proposal. NULL is allowed; freeing twice is not.
 */
void tj_proposal_free(tj_proposal *proposal);

/**
 * Number of sites; 0 for what is no proposal.
 */
size_t tj_proposal_sites(const tj_proposal *proposal);

/**
 * Proposes for each configuration of `x[n*sites]`, into `x_new[n*sites]`, with `log_ratio[n]`, the log of
 * the reverse over the forward density in nats: accept with probability `min(1, e^(log_weight(x_new) −
 * log_weight(x) + log_ratio))`. −∞: reject (`x_new` may then be anything allowed). `x_new` may be `x`.
 *
 * `(seed, step)` name the randomness: calls must differ in one of them, or they propose by the same random
 * numbers and the chain is wrong. Row `i` is the same whatever `n` is.
 *
 * Errors: `TJ_INPUT` for a state that the site does not have; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
 */
tj_status tj_propose(const tj_proposal *proposal,
                     size_t n,
                     const uint8_t *x,
                     uint64_t seed,
                     uint64_t step,
                     uint8_t *x_new,
                     double *log_ratio);

/**
 * The message of the last call of this thread that failed: empty before the first failure, never NULL, at
 * most 511 bytes of UTF-8, overwritten by the next failure on this thread, readable for as long as the
 * thread lives.
 */
const char *tj_error_message(void);

/**
 * Version of the library, for example "0.1.0". Static; never freed.
 */
const char *tj_version(void);

/**
 * A target from the caller's function `f`, which is called with `context`. `dims[sites]`: numbers of states,
 * 1 to 256, NULL for 2 everywhere.
 *
 * Errors: `TJ_NULL` for `f` or `out`; `TJ_INPUT` for no sites or states out of range.
 */
tj_status tj_target_new(size_t sites, const size_t *dims, tj_log_weight f, void *context, tj_target **out);

/**
 * The law of a model as a target: its log-weights are log-probabilities.
 *
 * Errors: `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_target_model(const tj_model *model, tj_target **out);

/**
 * Frees a target. NULL is allowed; freeing twice is not.
 */
void tj_target_free(tj_target *target);

/**
 * Number of sites; 0 for what is no target.
 */
size_t tj_target_sites(const tj_target *target);

/**
 * Log-weights in nats of the configurations `x[n*sites]` into `log_weight[n]`; −∞ for forbidden ones.
 *
 * Errors: `TJ_INPUT` for a state that the site does not have; `TJ_CALLBACK`; `TJ_NULL`, `TJ_HANDLE`,
 * `TJ_TOO_LARGE`.
 */
tj_status tj_target_log_weight(const tj_target *target, size_t n, const uint8_t *x, double *log_weight);

/**
 * Draws `n` configurations of the model and weighs them by the target, into `*result`. Errors and `log Z`
 * are right where the model misses nothing of the target.
 *
 * Errors: `TJ_INPUT` for fewer than 2 draws or other sites, weights NaN or +∞; `TJ_CALLBACK`; `TJ_NULL`,
 * `TJ_HANDLE`.
 */
tj_status tj_importance(const tj_model *model,
                        const tj_target *target,
                        size_t n,
                        uint64_t seed,
                        uint64_t step,
                        tj_assessment *result);

/**
 * A ladder of `levels` targets with the parameters `parameters[levels]` (rising or falling, β for example),
 * each updated by its `proposals[level]`, `moves` times between exchanges; `copies` independent ladders side
 * by side. `x[levels*copies*sites]`: the starts, level by level. `seed` names all randomness.
 *
 * Callers' functions are called from several threads at once, unless `tj_set_threads(1)` was called.
 *
 * Errors: `TJ_INPUT` for fewer than 2 levels, parameters out of order, no copies or moves, targets or
 * proposals of different sites, starts of weight 0 or out of range; `TJ_CALLBACK`; `TJ_NULL`, `TJ_HANDLE`,
 * `TJ_TOO_LARGE`.
 */
tj_status tj_tempering_new(size_t levels,
                           const double *parameters,
                           const tj_target *const *targets,
                           const tj_proposal *const *proposals,
                           size_t moves,
                           size_t copies,
                           const uint8_t *x,
                           uint64_t seed,
                           tj_tempering **out);

/**
 * Updates: each level `moves` times, then exchanges between neighbours, `updates` times over.
 *
 * Errors, after which levels may have moved: as `tj_chains_advance`.
 */
tj_status tj_tempering_advance(const tj_tempering *tempering, size_t updates);

/**
 * As `tj_tempering_advance`, the configurations of all levels and copies shared out over processes: every
 * rank has made the same tempering, with the same seed, makes this call with the same arguments, and then
 * has all of it, bit for bit that of one process. The ranks gather 16 bytes a configuration and update, and
 * at the end of the call the configurations, 8 bytes for 52 spins: make many updates a call. Ranks beyond
 * `levels*copies` have nothing to do.
 *
 * Errors, after which all levels stand where they stood before: as `tj_tempering_advance`; `TJ_RANK` where
 * another rank failed; `TJ_INPUT` for arguments or tempering that differ between ranks, `rank ≥ size`;
 * `TJ_CALLBACK` also of `all_gather`, `TJ_NULL` also for none.
 */
tj_status tj_tempering_advance_over(const tj_tempering *tempering, const tj_ranks *ranks, size_t updates);

/**
 * Where a level stands: configurations into `x[copies*sites]`, log-weights at that level into
 * `log_weight[copies]`. Either may be NULL: not wanted.
 *
 * Errors: `TJ_INPUT` for no such level or other `copies`; `TJ_BUSY`, `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_tempering_read(const tj_tempering *tempering, size_t level, size_t copies, uint8_t *x, double *log_weight);

/**
 * Mean acceptance of the exchanges of each pair of neighbouring levels so far, into `rates[levels-1]`; NaN
 * before the first attempt. Round trips of all configurations between the first and the last level into
 * `*round_trips` (NULL: not wanted).
 *
 * Errors: `TJ_INPUT` for other `levels`; `TJ_BUSY`, `TJ_NULL`, `TJ_HANDLE`.
 */
tj_status tj_tempering_rates(const tj_tempering *tempering, size_t levels, double *rates, uint64_t *round_trips);

/**
 * Frees tempering. NULL is allowed; freeing twice is not.
 */
void tj_tempering_free(tj_tempering *tempering);

/**
 * Sets the number of threads that calls compute on; at first as many as there are cores. Results never
 * depend on it.
 *
 * `threads = 1`: every call computes on the thread that makes it, without any other (codes that spread their
 * own work over MPI ranks or OpenMP threads). It may be said at any time, costs some kilobytes for each
 * thread that then calls, and cannot be taken back.
 *
 * `threads > 1`: once, before the first call that computes.
 *
 * Errors: `TJ_INPUT` for 0, for more than 4096, and for several threads after the first computing call or
 * after `tj_set_threads(1)`.
 */
tj_status tj_set_threads(size_t threads);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TENSORJUMP_H */
