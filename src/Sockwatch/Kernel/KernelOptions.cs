namespace Sockwatch.Kernel;

/// <summary>Bounds of the kernel's maps. Each costs memory only as it fills; past it, sums stay true and detail is lost.</summary>
internal sealed class KernelOptions
{
    /// <summary>Conversations counted apart. Past this, traffic is counted under one overflow edge.</summary>
    public int MaxEdges { get; set; } = 65_536;

    /// <summary>UDP conversations with a flow record of their own. Past this, they are only in the metrics.</summary>
    public int MaxUdpFlows { get; set; } = 65_536;

    /// <summary>Processes whose identity is remembered. Past this, finding it again costs time.</summary>
    public int MaxProcesses { get; set; } = 32_768;

    /// <summary>Executables with a name. Past this, traffic of new ones has an empty executable.</summary>
    public int MaxExecutables { get; set; } = 8_192;

    /// <summary>Cgroups with a name. Past this, traffic of new ones has no container or unit.</summary>
    public int MaxCgroups { get; set; } = 4_096;

    /// <summary>Flow records that may wait to be read, in bytes; a power of two. Past this, records are lost and counted.</summary>
    public int RingBytes { get; set; } = 8 * 1024 * 1024;

    /// <summary>
    /// Sockets that are followed, on kernels where what is known of a socket cannot be kept in the socket. Past this, traffic of new
    /// ones is counted under one overflow edge.
    /// </summary>
    public int MaxSockets { get; set; } = 131_072;

    /// <summary>The way into the kernel, for experiments: what has no such way is observed as ever.</summary>
    public BackendChoice Backend { get; set; } = BackendChoice.Auto;

    /// <summary>Type information of this kernel in a file, for a kernel that carries none; empty for the kernel's own.</summary>
    public string Btf { get; set; } = "";
}
