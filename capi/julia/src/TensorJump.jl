"""
    TensorJump

Julia (1.9 or newer) over the C interface of tensorjump; `tensorjump.h` documents shapes and errors. The calls are
compared with the header by a test; Julia itself was not at hand where this was written.
`ENV["TENSORJUMP_LIB"]` may name the path of `libtensorjump.so` before loading.

A batch of configurations is a `Matrix{UInt8}` of size `(sites, n)`, states from 0; a lattice reshapes to
`(cols, rows, n)`. Arrays of C are row-major: the tensors that the header calls `(bonds[j], dims[j], bonds[j+1])` are
`A[bonds[j+1], dims[j], bonds[j]]` here. `seed` and `step` name the randomness: calls that must be independent differ
in one of them.
"""
module TensorJump

export Model, Noise, Target, Proposal, Draws, Chains

const lib = get(ENV, "TENSORJUMP_LIB", "libtensorjump")
const Handle = Ptr{Cvoid}

"A call that failed: its `tj_status` and message."
struct Error <: Exception
    status::Cint
    message::String
end
Base.showerror(io::IO, e::Error) = print(io, "tensorjump: ", e.message)
check(status::Cint) =
    status == 0 ? nothing : throw(Error(status, unsafe_string(@ccall lib.tj_error_message()::Cstring)))

version() = unsafe_string(@ccall lib.tj_version()::Cstring)
set_threads(n) = check(@ccall lib.tj_set_threads(n::Csize_t)::Cint)

mutable struct Model
    ptr::Handle
    Model(ptr::Handle) = finalizer(h -> @ccall(lib.tj_model_free(h.ptr::Handle)::Cvoid), new(ptr))
end
mutable struct Noise
    ptr::Handle
    Noise(ptr::Handle) = finalizer(h -> @ccall(lib.tj_noise_free(h.ptr::Handle)::Cvoid), new(ptr))
end
mutable struct Proposal
    ptr::Handle
    Proposal(ptr::Handle) = finalizer(h -> @ccall(lib.tj_proposal_free(h.ptr::Handle)::Cvoid), new(ptr))
end
mutable struct Draws
    ptr::Handle
    sites::Int
    Draws(ptr::Handle, sites) = finalizer(h -> @ccall(lib.tj_draws_free(h.ptr::Handle)::Cvoid), new(ptr, sites))
end
"An unnormalised law. `f` keeps the function of a callback alive."
mutable struct Target
    ptr::Handle
    f::Any
    Target(ptr::Handle, f) = finalizer(h -> @ccall(lib.tj_target_free(h.ptr::Handle)::Cvoid), new(ptr, f))
end
mutable struct Chains
    ptr::Handle
    target::Target # its callback must outlive the chains
    n::Int
    Chains(ptr::Handle, target, n) = finalizer(h -> @ccall(lib.tj_chains_free(h.ptr::Handle)::Cvoid), new(ptr, target, n))
end
Base.unsafe_convert(::Type{Handle}, h::Union{Model,Noise,Proposal,Draws,Target,Chains}) = h.ptr

"Calls a constructor that writes a handle."
function made(make)
    out = Ref{Handle}(C_NULL)
    check(make(out))
    out[]
end

doubles(::Nothing, _) = Ptr{Cdouble}(C_NULL)
function doubles(a, n)
    length(a) == n || throw(DimensionMismatch("$(length(a)) numbers, expected $n"))
    convert(Vector{Float64}, vec(a))
end
sizes(::Nothing, _) = Ptr{Csize_t}(C_NULL)
function sizes(a, n)
    length(a) == n || throw(DimensionMismatch("$(length(a)) numbers, expected $n"))
    convert(Vector{Csize_t}, vec(a))
end
sites(m::Model) = Int(@ccall lib.tj_model_sites(m::Handle)::Csize_t)
sites(t::Target) = Int(@ccall lib.tj_target_sites(t::Handle)::Csize_t)
sites(p::Proposal) = Int(@ccall lib.tj_proposal_sites(p::Handle)::Csize_t)
rows(x, n) = size(x, 1) == n ? size(x, 2) : throw(DimensionMismatch("x has $(size(x, 1)) sites, expected $n"))

# Noise

"Flips of binary sites for `time`; `factors` multiply the rates site by site."
flips(n; up=1.0, down=1.0, time, factors=nothing) =
    Noise(made(out -> @ccall lib.tj_noise_flips(n::Csize_t, up::Cdouble, down::Cdouble, time::Cdouble, doubles(factors, n)::Ptr{Cdouble}, out::Ptr{Handle})::Cint))
uniform_noise(dims; gamma=1.0, time, factors=nothing) =
    Noise(made(out -> @ccall lib.tj_noise_uniform(length(dims)::Csize_t, sizes(dims, length(dims))::Ptr{Csize_t}, gamma::Cdouble, time::Cdouble, doubles(factors, length(dims))::Ptr{Cdouble}, out::Ptr{Handle})::Cint))
"Noise by rate matrices, one a site, `q[a, b]` the rate from `a` to `b`."
function rates(matrices; time, factors=nothing)
    n, d = length(matrices), [size(q, 1) for q in matrices]
    q = reduce(vcat, (vec(permutedims(q)) for q in matrices))
    Noise(made(out -> @ccall lib.tj_noise_rates(n::Csize_t, sizes(d, n)::Ptr{Csize_t}, doubles(q, length(q))::Ptr{Cdouble}, length(q)::Csize_t, time::Cdouble, doubles(factors, n)::Ptr{Cdouble}, out::Ptr{Handle})::Cint))
end

# Targets

"Ising model or glass; `horizontal[c, r]`, `vertical[c, r]`, `field[c, r]`, geometry 0 open, 1 cylinder, 2 torus; bonds along
the diagonals of the plaquettes where `diagonal[c, r]`, `antidiagonal[c, r]` are given."
function ising(nrows, ncols; beta, geometry=0, horizontal=nothing, vertical=nothing, field=nothing, diagonal=nothing, antidiagonal=nothing)
    wide, high = ncols - (geometry == 0), nrows - (geometry != 2)
    h, v, d = nrows * wide, ncols * high, wide * high
    Target(made(out -> @ccall lib.tj_ising_diagonals(nrows::Csize_t, ncols::Csize_t, geometry::Cint, beta::Cdouble, doubles(horizontal, h)::Ptr{Cdouble}, doubles(vertical, v)::Ptr{Cdouble}, doubles(diagonal, d)::Ptr{Cdouble}, doubles(antidiagonal, d)::Ptr{Cdouble}, doubles(field, nrows * ncols)::Ptr{Cdouble}, out::Ptr{Handle})::Cint), nothing)
end
"The same pair log-weights `bond[a, b]` on all bonds of a lattice, `site[a]` on all sites."
function pair(nrows, ncols; bond, site=nothing, geometry=0)
    q = size(bond, 1)
    w = doubles(permutedims(bond), q^2)
    Target(made(out -> @ccall lib.tj_pair_uniform(nrows::Csize_t, ncols::Csize_t, geometry::Cint, q::Csize_t, doubles(site, q)::Ptr{Cdouble}, w::Ptr{Cdouble}, w::Ptr{Cdouble}, out::Ptr{Handle})::Cint), nothing)
end
function call(context::Ptr{Cvoid}, n::Csize_t, sites::Csize_t, x::Ptr{UInt8}, out::Ptr{Cdouble})::Cint
    try
        f = unsafe_pointer_to_objref(context)[]
        x, out = unsafe_wrap(Array, x, (Int(sites), Int(n))), unsafe_wrap(Array, out, Int(n))
        for i in 1:Int(n)
            out[i] = f(view(x, :, i))
        end
        Cint(0)
    catch
        Cint(1)
    end
end
"A target from a function of one configuration. Threads of the library are not Julia's: call `set_threads(1)` first."
function Target(f::Function, n::Integer; dims=nothing)
    box = Ref{Any}(f)
    callback = @cfunction(call, Cint, (Ptr{Cvoid}, Csize_t, Csize_t, Ptr{UInt8}, Ptr{Cdouble}))
    Target(made(out -> @ccall lib.tj_target_new(n::Csize_t, sizes(dims, n)::Ptr{Csize_t}, callback::Ptr{Cvoid}, pointer_from_objref(box)::Ptr{Cvoid}, out::Ptr{Handle})::Cint), box)
end
function log_weight(t::Target, x::Matrix{UInt8})
    w = Vector{Float64}(undef, rows(x, sites(t)))
    check(@ccall lib.tj_target_log_weight(t::Handle, length(w)::Csize_t, x::Ptr{UInt8}, w::Ptr{Cdouble})::Cint)
    w
end
function contract(t::Target; tolerance=1e-6, chi_max=256)
    z = Ref(0.0)
    check(@ccall lib.tj_contract(t::Handle, tolerance::Cdouble, chi_max::Csize_t, z::Ptr{Cdouble}, C_NULL::Ptr{Cdouble})::Cint)
    z[]
end

# Models

function ising_chain(n; beta, ring=false, couplings=nothing, fields=nothing)
    Model(made(out -> @ccall lib.tj_ising_chain(beta::Cdouble, n::Csize_t, doubles(couplings, ring ? n : n - 1)::Ptr{Cdouble}, doubles(fields, n)::Ptr{Cdouble}, ring::Cint, out::Ptr{Handle})::Cint))
end
fredkin(n; c=0.5, chi=0) = Model(made(out -> @ccall lib.tj_fredkin(n::Csize_t, c::Cdouble, chi::Csize_t, out::Ptr{Handle})::Cint))
boundary(t::Target; chi=8) = Model(made(out -> @ccall lib.tj_boundary(t::Handle, chi::Csize_t, out::Ptr{Handle})::Cint))
snake(t::Target; chi) = Model(made(out -> @ccall lib.tj_snake(t::Handle, chi::Csize_t, out::Ptr{Handle})::Cint))
"Born law of tensors `A[right, state, left]`, real or complex."
function born(tensors)
    n, d = length(tensors), [size(a, 2) for a in tensors]
    bonds = [[size(a, 3) for a in tensors]; size(last(tensors), 1)]
    a = reduce(vcat, (vec(a) for a in tensors))
    dims, bonds = sizes(d, n), sizes(bonds, n + 1)
    if eltype(a) <: Complex
        re, im = Float64.(real(a)), Float64.(imag(a))
        return Model(made(out -> @ccall lib.tj_mps_complex(n::Csize_t, dims::Ptr{Csize_t}, bonds::Ptr{Csize_t}, re::Ptr{Cdouble}, im::Ptr{Cdouble}, length(re)::Csize_t, out::Ptr{Handle})::Cint))
    end
    a = Float64.(a)
    Model(made(out -> @ccall lib.tj_mps_born(n::Csize_t, dims::Ptr{Csize_t}, bonds::Ptr{Csize_t}, a::Ptr{Cdouble}, length(a)::Csize_t, out::Ptr{Handle})::Cint))
end
load(path) = Model(made(out -> @ccall lib.tj_model_load(path::Cstring, out::Ptr{Handle})::Cint))
save(m::Model, path) = check(@ccall lib.tj_model_save(m::Handle, path::Cstring)::Cint)
log_z(m::Model) = @ccall lib.tj_model_log_z(m::Handle)::Cdouble

function sample(m::Model, n; seed, step=0)
    x, lp = Matrix{UInt8}(undef, sites(m), n), Vector{Float64}(undef, n)
    check(@ccall lib.tj_sample(m::Handle, n::Csize_t, seed::UInt64, step::UInt64, x::Ptr{UInt8}, lp::Ptr{Cdouble})::Cint)
    (; x, log_prob=lp)
end
function log_prob(m::Model, x::Matrix{UInt8})
    lp = Vector{Float64}(undef, rows(x, sites(m)))
    check(@ccall lib.tj_log_prob(m::Handle, length(lp)::Csize_t, x::Ptr{UInt8}, lp::Ptr{Cdouble})::Cint)
    lp
end
function denoise(m::Model, noise::Noise, y::Matrix{UInt8}; seed, step=0)
    x, lp = similar(y), Vector{Float64}(undef, rows(y, sites(m)))
    check(@ccall lib.tj_denoise(m::Handle, noise::Handle, length(lp)::Csize_t, y::Ptr{UInt8}, seed::UInt64, step::UInt64, x::Ptr{UInt8}, lp::Ptr{Cdouble})::Cint)
    (; x, log_prob=lp)
end

# Proposals and draws

disconnected(m::Model) = Proposal(made(out -> @ccall lib.tj_disconnected(m::Handle, out::Ptr{Handle})::Cint))
connected(m::Model, noise::Noise) = Proposal(made(out -> @ccall lib.tj_connected(m::Handle, noise::Handle, out::Ptr{Handle})::Cint))
function mixture(probabilities, parts)
    n, p, handles = length(parts), doubles(probabilities, length(parts)), Handle[part.ptr for part in parts]
    GC.@preserve parts Proposal(made(out -> @ccall lib.tj_mixture(n::Csize_t, p::Ptr{Cdouble}, handles::Ptr{Handle}, out::Ptr{Handle})::Cint))
end
"Proposes for the columns of `x` into `x_new`; returns the log-ratios: accept with `min(1, exp(w(x_new) - w(x) + log_ratio))`."
function propose!(x_new::Matrix{UInt8}, p::Proposal, x::Matrix{UInt8}; seed, step)
    size(x) == size(x_new) || throw(DimensionMismatch("x and x_new"))
    ratio = Vector{Float64}(undef, rows(x, sites(p)))
    check(@ccall lib.tj_propose(p::Handle, length(ratio)::Csize_t, x::Ptr{UInt8}, seed::UInt64, step::UInt64, x_new::Ptr{UInt8}, ratio::Ptr{Cdouble})::Cint)
    ratio
end
Draws(m::Model; seed, step=0, ahead=1024) =
    Draws(made(out -> @ccall lib.tj_draws_new(m::Handle, seed::UInt64, step::UInt64, ahead::Csize_t, out::Ptr{Handle})::Cint), sites(m))
"The next draw into `x`, which must have one entry a site; returns its log-probability."
function next!(x::Vector{UInt8}, d::Draws)
    length(x) == d.sites || throw(DimensionMismatch("x has $(length(x)) sites, expected $(d.sites)"))
    lp = Ref(0.0)
    check(@ccall lib.tj_draws_next(d::Handle, x::Ptr{UInt8}, lp::Ptr{Cdouble})::Cint)
    lp[]
end

# Chains

function Chains(t::Target, x::Matrix{UInt8}; seed)
    n = rows(x, sites(t))
    Chains(made(out -> @ccall lib.tj_chains_new(t::Handle, n::Csize_t, x::Ptr{UInt8}, seed::UInt64, out::Ptr{Handle})::Cint), t, n)
end
function advance!(c::Chains, p::Proposal, updates)
    report = zeros(UInt64, 5)
    check(@ccall lib.tj_chains_advance(c::Handle, p::Handle, updates::Csize_t, report::Ptr{UInt64})::Cint)
    (; zip((:proposed, :accepted, :moved, :unsupported, :impossible), Int.(report))...)
end
function read(c::Chains)
    x, w = Matrix{UInt8}(undef, sites(c.target), c.n), Vector{Float64}(undef, c.n)
    check(@ccall lib.tj_chains_read(c::Handle, c.n::Csize_t, x::Ptr{UInt8}, w::Ptr{Cdouble})::Cint)
    (; x, log_weight=w)
end
end
