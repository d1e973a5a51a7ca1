! A +-J glass with an attraction of all spins: heat bath of one's own, and moves of a tensor network of the glass alone.
!   gfortran tensorjump.f90 glass.f90 -o glass $(pkg-config --cflags --libs tensorjump)
program glass
  use tensorjump
  integer, parameter :: L = 4, N = L * L, blocks = 100, steps = 500
  real(c_double), parameter :: beta = 1, pull = 0.5d0
  real(c_double) :: jh(L - 1, L), jv(L, L - 1), u, log_ratio(1), total, mean, error, square, z, exact
  integer(c_int8_t) :: x(N), y(N) ! column by column of x(L, L)
  type(c_ptr) :: model, noise, parts(2), move
  integer :: block, step, j, moved, seed(64)

  seed = 5; call random_seed(put=seed)
  call random_number(jh); call random_number(jv)
  jh = sign(1d0, jh - 0.5d0); jv = sign(1d0, jv - 0.5d0)
  call tj_check(tj_boundary_ising(4_tj_size, 4_tj_size, TJ_OPEN, beta, jh, jv, chi=8_tj_size, out=model))
  call tj_check(tj_noise_flips(16_tj_size, 1d0, 1d0, 0.3d0, out=noise))
  call tj_check(tj_disconnected(model, parts(1))); call tj_check(tj_connected(model, noise, parts(2)))
  call tj_check(tj_mixture(2_tj_size, [0.5d0, 0.5d0], parts, move))

  x = 0; moved = 0; mean = 0; square = 0
  do block = 1, blocks
    total = 0
    do step = 1, steps
      do j = 1, N ! heat bath
        y = x; y(j) = 1_c_int8_t - x(j)
        call random_number(u)
        if (u < 1 / (1 + exp(log_weight(x) - log_weight(y)))) x = y
      end do
      call tj_check(tj_propose(move, 1_tj_size, x, 7_tj_long, int(block * steps + step, tj_long), y, log_ratio))
      call random_number(u)
      if (log(u) >= log_weight(y) - log_weight(x) + log_ratio(1)) y = x ! rejected
      moved = moved + merge(1, 0, any(x /= y)); x = y
      total = total + m2(x) / steps
    end do
    mean = mean + total / blocks; square = square + total**2 / blocks
  end do
  error = sqrt((square - mean**2) / (blocks - 1))

  z = 0; exact = 0
  do j = 0, 2**N - 1
    y = int(ibits(j, [(block, block = 0, N - 1)], 1), c_int8_t)
    z = z + exp(log_weight(y)); exact = exact + exp(log_weight(y)) * m2(y)
  end do
  write (*, '(4(a, f0.3))') 'glass.f90: moved ', real(moved) / (blocks * steps), ', <M^2> ', mean, ' +- ', error, &
    ', exact ', exact / z
  if (abs(mean - exact / z) > 5 * error) error stop 1
  call tj_proposal_free(move); call tj_proposal_free(parts(1)); call tj_proposal_free(parts(2))
  call tj_noise_free(noise); call tj_model_free(model)
contains
  real(c_double) function log_weight(x)
    integer(c_int8_t), intent(in) :: x(L, L) ! (column, row)
    integer :: s(L, L)
    s = 2 * x - 1
    log_weight = beta * (sum(jh * s(:L-1, :) * s(2:, :)) + sum(jv * s(:, :L-1) * s(:, 2:))) + pull / N * m2([x])
  end function
  real(c_double) function m2(x)
    integer(c_int8_t), intent(in) :: x(N)
    m2 = (2 * sum(int(x)) - N)**2
  end function
end program
