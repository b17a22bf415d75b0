namespace Sockwatch.Kernel;

/// <summary>Where the programs keep what they know of a socket. One object serves all: the rest is code that is never reached.</summary>
internal enum StateKeeping
{
    /// <summary>In the socket itself: the cheapest, and gone with it. Typed programs only, since Linux 5.12.</summary>
    Storage,

    /// <summary>In a hash by the socket's address, for programs of every kind.</summary>
    Hash,

    /// <summary>The same without atomic operations that return something and without typed pointers, for older kernels.</summary>
    PlainHash,
}
