using Sockwatch.Bpf;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>Where the programs learn how this kernel lays out its structs: from the kernel itself, or from a file made for it.</summary>
internal static class KernelTypes
{
    /// <summary>The file to hand to libbpf; null for the kernel's own types.</summary>
    /// <exception cref="ConfigurationException">There is a file, and it cannot be used.</exception>
    public static string? Source(KernelOptions options)
    {
        if (options.Btf.Length > 0)
        {
            Check(options.Btf);
        }

        return options.Btf.Length > 0 ? options.Btf : null;
    }

    private static void Check(string path)
    {
        var name = PrintableText.Of(path, 200);
        try
        {
            // libbpf says the same of a file that it may not read and of one that it cannot make sense of.
            using (File.OpenRead(path))
            {
            }

            using var types = KernelBtf.Parse(path);
            if (!types.HasStruct("sock"))
            {
                throw new ConfigurationException(
                    $"kernel.btf {name} does not describe a kernel: it has no struct sock; expected the BTF of vmlinux, not of a module or a program");
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"kernel.btf {name} cannot be read: {PrintableText.Of(failure)}", failure);
        }
        catch (BpfException failure) when (failure.Call.Length > 0)
        {
            throw new ConfigurationException(
                $"kernel.btf {name} is no BTF; expected raw type information such as BTFHub's NAME.btf (unpacked), or a vmlinux with a section .BTF", failure);
        }
    }
}
