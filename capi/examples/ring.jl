# Connected moves in a loop of one's own: an Ising ring with an attraction of all spins, proposed by the ring alone.
#   TENSORJUMP_LIB=PREFIX/lib/libtensorjump.so julia --project=capi/julia ring.jl
using TensorJump
const tj = TensorJump
const n, beta, pull = 12, 0.4, 0.3

m2(x) = (2sum(Int, x) - n)^2
log_weight(x) = beta * sum(j -> x[j] == x[j % n + 1] ? 1 : -1, 1:n) + pull / n * m2(x)

function main()
    ring = tj.ising_chain(n; beta, ring=true)
    move = tj.connected(ring, tj.flips(n; time=0.3))
    x, y = tj.sample(ring, 1; seed=1).x, Matrix{UInt8}(undef, n, 1)
    blocks, steps, accepted = 100, 1000, 0
    means = map(1:blocks) do block
        total = 0.0
        for step in 1:steps
            ratio = tj.propose!(y, move, x; seed=2, step=block * steps + step)[1] # a new step each time
            if log(rand()) < log_weight(y) - log_weight(x) + ratio
                copyto!(x, y)
                accepted += 1
            end
            total += m2(x)
        end
        total / steps
    end
    mean = sum(means) / blocks
    error = sqrt(sum(abs2, means .- mean) / (blocks * (blocks - 1)))
    all = [UInt8[bits >> j & 1 for j in 0:n-1] for bits in 0:2^n-1]
    exact = sum(x -> exp(log_weight(x)) * m2(x), all) / sum(x -> exp(log_weight(x)), all)
    println("ring.jl: acceptance $(accepted / (blocks * steps)), <M^2> $mean +- $error, exact $exact")
    abs(mean - exact) > 5error && exit(1)
end
main()
