namespace Sockwatch.Commands;

/// <summary>The command failed for a reason the user can read. The message is one line.</summary>
internal sealed class CommandFailedException(string message, Exception? cause = null) : Exception(message, cause);
