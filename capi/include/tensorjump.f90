! tensorjump for Fortran 2008 (optional arguments of C functions: 2018, or TS 29113). MIT OR Apache-2.0.
!
! The functions of tensorjump.h, under their names; there stand their shapes and errors. A batch of n configurations is
! x(sites, n), a lattice x(cols, rows, n), states from 0, integer(c_int8_t). Arrays of C are row-major: what the header calls
! (bonds(j), dims(j), bonds(j+1)) is A(bonds(j+1), dims(j), bonds(j)) here. Handles are type(c_ptr); what may be NULL in C is
! optional here. Numbers of kind tj_size count, of kind tj_long name randomness: 16_tj_size, 1_tj_long.
! An argument must not be passed twice where one of the two is written (x_new and x of tj_propose).
module tensorjump
  use, intrinsic :: iso_c_binding
  implicit none
  private :: text
  integer, parameter :: tj_size = c_size_t, tj_long = c_int64_t
  enum, bind(c)
    enumerator :: TJ_OK = 0, TJ_NULL, TJ_INPUT, TJ_ZERO_EVIDENCE, TJ_FILE, TJ_NUMERIC, TJ_TOO_LARGE, TJ_CALLBACK, TJ_PANIC, &
      TJ_HANDLE, TJ_BUSY, TJ_RANK
  end enum
  enum, bind(c)
    enumerator :: TJ_OPEN = 0, TJ_CYLINDER, TJ_TORUS
  end enum
  type, bind(c) :: tj_report
    integer(c_int64_t) :: proposed = 0, accepted = 0, moved = 0, unsupported = 0, impossible = 0
  end type
  type, bind(c) :: tj_assessment
    real(c_double) :: acceptance = 0, acceptance_error = 0, ess_fraction = 0, log_z = 0, log_z_error = 0, outside = 0
  end type
  type, bind(c) :: tj_ranks ! all_gather: c_funloc of a function as tj_all_gather
    type(c_ptr) :: context = c_null_ptr
    integer(c_size_t) :: rank = 0, size = 1
    type(c_funptr) :: all_gather = c_null_funptr
  end type
  abstract interface ! functions of one's own: pass c_funloc(f) to tj_target_new, keep it in a tj_ranks
    integer(c_int) function tj_all_gather(context, mine, n, all) bind(c)
      import
      type(c_ptr), value :: context
      integer(c_size_t), value :: n
      real(c_double), intent(in) :: mine(n)
      real(c_double), intent(out) :: all(n, *)
    end function
    integer(c_int) function tj_log_weight(context, n, sites, x, log_weight) bind(c)
      import
      type(c_ptr), value :: context
      integer(c_size_t), value :: n, sites
      integer(c_int8_t), intent(in) :: x(sites, n)
      real(c_double), intent(out) :: log_weight(n)
    end function
  end interface
  interface
    type(c_ptr) function c_message() bind(c, name="tj_error_message")
      import
    end function
    type(c_ptr) function c_version() bind(c, name="tj_version")
      import
    end function
    ! Models
    integer(c_int) function tj_model_load(path, out) bind(c)
      import
      character(kind=c_char), intent(in) :: path(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_model_save(model, path) bind(c)
      import
      type(c_ptr), value :: model
      character(kind=c_char), intent(in) :: path(*)
    end function
    integer(c_int) function tj_ising_chain(beta, sites, couplings, fields, ring, out) bind(c)
      import
      real(c_double), value :: beta
      integer(c_size_t), value :: sites
      real(c_double), intent(in), optional :: couplings(*), fields(*)
      integer(c_int), value :: ring
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_mps_positive(sites, dims, bonds, tensors, length, out) bind(c)
      import
      integer(c_size_t), value :: sites, length
      integer(c_size_t), intent(in), optional :: dims(*)
      integer(c_size_t), intent(in) :: bonds(*)
      real(c_double), intent(in) :: tensors(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_mps_born(sites, dims, bonds, tensors, length, out) bind(c)
      import
      integer(c_size_t), value :: sites, length
      integer(c_size_t), intent(in), optional :: dims(*)
      integer(c_size_t), intent(in) :: bonds(*)
      real(c_double), intent(in) :: tensors(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_mps_complex(sites, dims, bonds, re, im, length, out) bind(c)
      import
      integer(c_size_t), value :: sites, length
      integer(c_size_t), intent(in), optional :: dims(*)
      integer(c_size_t), intent(in) :: bonds(*)
      real(c_double), intent(in) :: re(*), im(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_fredkin(sites, c, chi, out) bind(c)
      import
      integer(c_size_t), value :: sites, chi
      real(c_double), value :: c
      type(c_ptr), intent(out) :: out
    end function
    subroutine tj_model_free(model) bind(c)
      import
      type(c_ptr), value :: model
    end subroutine
    integer(c_size_t) function tj_model_sites(model) bind(c)
      import
      type(c_ptr), value :: model
    end function
    integer(c_int) function tj_model_dims(model, dims) bind(c)
      import
      type(c_ptr), value :: model
      integer(c_size_t), intent(inout) :: dims(*)
    end function
    real(c_double) function tj_model_log_z(model) bind(c)
      import
      type(c_ptr), value :: model
    end function
    integer(c_int) function tj_sample(model, n, seed, step, x, log_prob) bind(c)
      import
      type(c_ptr), value :: model
      integer(c_size_t), value :: n
      integer(c_int64_t), value :: seed, step
      integer(c_int8_t), intent(inout) :: x(*)
      real(c_double), intent(inout), optional :: log_prob(*)
    end function
    integer(c_int) function tj_log_prob(model, n, x, log_prob) bind(c)
      import
      type(c_ptr), value :: model
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: x(*)
      real(c_double), intent(inout) :: log_prob(*)
    end function
    integer(c_int) function tj_denoise(model, noise, n, y, seed, step, x, log_prob) bind(c)
      import
      type(c_ptr), value :: model, noise
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: y(*)
      integer(c_int64_t), value :: seed, step
      integer(c_int8_t), intent(inout) :: x(*)
      real(c_double), intent(inout), optional :: log_prob(*)
    end function
    integer(c_int) function tj_denoise_log_prob(model, noise, n, x, y, log_prob) bind(c)
      import
      type(c_ptr), value :: model, noise
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: x(*), y(*)
      real(c_double), intent(inout) :: log_prob(*)
    end function
    ! Targets, lattice models among them
    integer(c_int) function tj_ising(rows, cols, geometry, beta, horizontal, vertical, field, out) bind(c)
      import
      integer(c_size_t), value :: rows, cols
      integer(c_int), value :: geometry
      real(c_double), value :: beta
      real(c_double), intent(in), optional :: horizontal(*), vertical(*), field(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_ising_diagonals(rows, cols, geometry, beta, horizontal, vertical, diagonal, antidiagonal, &
        & field, out) bind(c)
      import
      integer(c_size_t), value :: rows, cols
      integer(c_int), value :: geometry
      real(c_double), value :: beta
      real(c_double), intent(in), optional :: horizontal(*), vertical(*), diagonal(*), antidiagonal(*), field(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_pair(rows, cols, geometry, dims, site, site_length, horizontal, horizontal_length, vertical, &
        & vertical_length, out) bind(c)
      import
      integer(c_size_t), value :: rows, cols, site_length, horizontal_length, vertical_length
      integer(c_int), value :: geometry
      integer(c_size_t), intent(in), optional :: dims(*)
      real(c_double), intent(in) :: site(*), horizontal(*), vertical(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_pair_uniform(rows, cols, geometry, states, site, horizontal, vertical, out) bind(c)
      import
      integer(c_size_t), value :: rows, cols, states
      integer(c_int), value :: geometry
      real(c_double), intent(in), optional :: site(*), vertical(*)
      real(c_double), intent(in) :: horizontal(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_boundary(target, chi, out) bind(c)
      import
      type(c_ptr), value :: target
      integer(c_size_t), value :: chi
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_boundary_proposal(target, chi, out) bind(c)
      import
      type(c_ptr), value :: target
      integer(c_size_t), value :: chi
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_boundary_ising(rows, cols, geometry, beta, horizontal, vertical, field, chi, out) bind(c)
      import
      integer(c_size_t), value :: rows, cols, chi
      integer(c_int), value :: geometry
      real(c_double), value :: beta
      real(c_double), intent(in), optional :: horizontal(*), vertical(*), field(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_snake(target, chi, out) bind(c)
      import
      type(c_ptr), value :: target
      integer(c_size_t), value :: chi
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_contract(target, tolerance, chi_max, log_z, change) bind(c)
      import
      type(c_ptr), value :: target
      real(c_double), value :: tolerance
      integer(c_size_t), value :: chi_max
      real(c_double), intent(inout) :: log_z
      real(c_double), intent(inout), optional :: change
    end function
    integer(c_int) function tj_target_new(sites, dims, f, context, out) bind(c)
      import
      integer(c_size_t), value :: sites
      integer(c_size_t), intent(in), optional :: dims(*)
      type(c_funptr), value :: f
      type(c_ptr), value :: context
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_target_model(model, out) bind(c)
      import
      type(c_ptr), value :: model
      type(c_ptr), intent(out) :: out
    end function
    subroutine tj_target_free(target) bind(c)
      import
      type(c_ptr), value :: target
    end subroutine
    integer(c_size_t) function tj_target_sites(target) bind(c)
      import
      type(c_ptr), value :: target
    end function
    integer(c_int) function tj_target_log_weight(target, n, x, log_weight) bind(c)
      import
      type(c_ptr), value :: target
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: x(*)
      real(c_double), intent(inout) :: log_weight(*)
    end function
    integer(c_int) function tj_importance(model, target, n, seed, step, result) bind(c)
      import
      type(c_ptr), value :: model, target
      integer(c_size_t), value :: n
      integer(c_int64_t), value :: seed, step
      type(tj_assessment), intent(inout) :: result
    end function
    ! Noise
    integer(c_int) function tj_noise_flips(sites, up, down, time, factors, out) bind(c)
      import
      integer(c_size_t), value :: sites
      real(c_double), value :: up, down, time
      real(c_double), intent(in), optional :: factors(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_noise_uniform(sites, dims, gamma, time, factors, out) bind(c)
      import
      integer(c_size_t), value :: sites
      integer(c_size_t), intent(in), optional :: dims(*)
      real(c_double), value :: gamma, time
      real(c_double), intent(in), optional :: factors(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_noise_rates(sites, dims, rates, length, time, factors, out) bind(c)
      import
      integer(c_size_t), value :: sites, length
      integer(c_size_t), intent(in), optional :: dims(*)
      real(c_double), intent(in) :: rates(*)
      real(c_double), value :: time
      real(c_double), intent(in), optional :: factors(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_noise_tables(sites, dims, tables, length, out) bind(c)
      import
      integer(c_size_t), value :: sites, length
      integer(c_size_t), intent(in), optional :: dims(*)
      real(c_double), intent(in) :: tables(*)
      type(c_ptr), intent(out) :: out
    end function
    subroutine tj_noise_free(noise) bind(c)
      import
      type(c_ptr), value :: noise
    end subroutine
    integer(c_int) function tj_noise_apply(noise, n, x, seed, step, y) bind(c)
      import
      type(c_ptr), value :: noise
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: x(*)
      integer(c_int64_t), value :: seed, step
      integer(c_int8_t), intent(inout) :: y(*)
    end function
    integer(c_int) function tj_noise_log_prob(noise, n, x, y, log_prob) bind(c)
      import
      type(c_ptr), value :: noise
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: x(*), y(*)
      real(c_double), intent(inout) :: log_prob(*)
    end function
    ! Proposals and draws
    integer(c_int) function tj_draws_new(model, seed, step, ahead, out) bind(c)
      import
      type(c_ptr), value :: model
      integer(c_int64_t), value :: seed, step
      integer(c_size_t), value :: ahead
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_draws_next(draws, x, log_prob) bind(c)
      import
      type(c_ptr), value :: draws
      integer(c_int8_t), intent(inout) :: x(*)
      real(c_double), intent(inout) :: log_prob
    end function
    subroutine tj_draws_free(draws) bind(c)
      import
      type(c_ptr), value :: draws
    end subroutine
    integer(c_int) function tj_disconnected(model, out) bind(c)
      import
      type(c_ptr), value :: model
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_connected(model, noise, out) bind(c)
      import
      type(c_ptr), value :: model, noise
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_single_site(sites, dims, out) bind(c)
      import
      integer(c_size_t), value :: sites
      integer(c_size_t), intent(in), optional :: dims(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_exchange(sites, dims, count, pairs, out) bind(c)
      import
      integer(c_size_t), value :: sites, count
      integer(c_size_t), intent(in), optional :: dims(*)
      integer(c_size_t), intent(in) :: pairs(*)
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_mixture(count, probabilities, parts, out) bind(c)
      import
      integer(c_size_t), value :: count
      real(c_double), intent(in) :: probabilities(*)
      type(c_ptr), intent(in) :: parts(*)
      type(c_ptr), intent(out) :: out
    end function
    subroutine tj_proposal_free(proposal) bind(c)
      import
      type(c_ptr), value :: proposal
    end subroutine
    integer(c_size_t) function tj_proposal_sites(proposal) bind(c)
      import
      type(c_ptr), value :: proposal
    end function
    integer(c_int) function tj_propose(proposal, n, x, seed, step, x_new, log_ratio) bind(c)
      import
      type(c_ptr), value :: proposal
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: x(*)
      integer(c_int64_t), value :: seed, step
      integer(c_int8_t), intent(inout) :: x_new(*)
      real(c_double), intent(inout) :: log_ratio(*)
    end function
    ! Chains and tempering
    integer(c_int) function tj_chains_new(target, n, x, seed, out) bind(c)
      import
      type(c_ptr), value :: target
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(in) :: x(*)
      integer(c_int64_t), value :: seed
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_chains_advance(chains, proposal, updates, report) bind(c)
      import
      type(c_ptr), value :: chains, proposal
      integer(c_size_t), value :: updates
      type(tj_report), intent(inout), optional :: report
    end function
    integer(c_int) function tj_chains_advance_over(chains, ranks, proposal, updates, report) bind(c)
      import
      type(c_ptr), value :: chains, proposal
      type(tj_ranks), intent(in), optional :: ranks
      integer(c_size_t), value :: updates
      type(tj_report), intent(inout), optional :: report
    end function
    integer(c_int) function tj_chains_read(chains, n, x, log_weight) bind(c)
      import
      type(c_ptr), value :: chains
      integer(c_size_t), value :: n
      integer(c_int8_t), intent(inout), optional :: x(*)
      real(c_double), intent(inout), optional :: log_weight(*)
    end function
    subroutine tj_chains_free(chains) bind(c)
      import
      type(c_ptr), value :: chains
    end subroutine
    integer(c_int) function tj_tempering_new(levels, parameters, targets, proposals, moves, copies, x, seed, out) bind(c)
      import
      integer(c_size_t), value :: levels, moves, copies
      real(c_double), intent(in) :: parameters(*)
      type(c_ptr), intent(in) :: targets(*), proposals(*)
      integer(c_int8_t), intent(in) :: x(*)
      integer(c_int64_t), value :: seed
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function tj_tempering_advance(tempering, updates) bind(c)
      import
      type(c_ptr), value :: tempering
      integer(c_size_t), value :: updates
    end function
    integer(c_int) function tj_tempering_advance_over(tempering, ranks, updates) bind(c)
      import
      type(c_ptr), value :: tempering
      type(tj_ranks), intent(in), optional :: ranks
      integer(c_size_t), value :: updates
    end function
    integer(c_int) function tj_tempering_read(tempering, level, copies, x, log_weight) bind(c)
      import
      type(c_ptr), value :: tempering
      integer(c_size_t), value :: level, copies
      integer(c_int8_t), intent(inout), optional :: x(*)
      real(c_double), intent(inout), optional :: log_weight(*)
    end function
    integer(c_int) function tj_tempering_rates(tempering, levels, rates, round_trips) bind(c)
      import
      type(c_ptr), value :: tempering
      integer(c_size_t), value :: levels
      real(c_double), intent(inout) :: rates(*)
      integer(c_int64_t), intent(inout), optional :: round_trips
    end function
    subroutine tj_tempering_free(tempering) bind(c)
      import
      type(c_ptr), value :: tempering
    end subroutine
    ! Threads
    integer(c_int) function tj_set_threads(threads) bind(c)
      import
      integer(c_size_t), value :: threads
    end function
  end interface

contains
  ! The message of the last call of this thread that failed.
  function tj_error_message() result(message)
    character(:), allocatable :: message
    message = text(c_message())
  end function

  function tj_version() result(version)
    character(:), allocatable :: version
    version = text(c_version())
  end function

  ! Stops with the message if a call failed.
  subroutine tj_check(status)
    integer(c_int), intent(in) :: status
    if (status == TJ_OK) return
    write (*, '(2a)') 'tensorjump: ', tj_error_message()
    error stop 1
  end subroutine

  ! A string of C, up to its zero.
  function text(string)
    type(c_ptr), intent(in) :: string
    character(:), allocatable :: text
    character(kind=c_char), pointer :: c(:)
    integer :: i
    call c_f_pointer(string, c, [512])
    text = ''
    do i = 1, size(c)
      if (c(i) == c_null_char) exit
      text = text // c(i)
    end do
  end function
end module
