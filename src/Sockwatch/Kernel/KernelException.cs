namespace Sockwatch.Kernel;

/// <summary>The kernel side cannot do its job. The message is one line for the operator: what, and how to mend it.</summary>
internal sealed class KernelException : Exception
{
    public KernelException(string message)
        : base(message)
    {
    }

    public KernelException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
