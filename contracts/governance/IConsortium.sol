// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What every other contract asks of the consortium's register of members
/// @notice A member is named by an opaque id of 32 bytes; zero means "none".
interface IConsortium {
    /// @notice The member whose business account this is; zero if there is none.
    function memberOf(address account) external view returns (bytes32 memberId);

    /// @notice True where the member is active and a bank (an auditor and a regulator are not).
    function isBank(bytes32 memberId) external view returns (bool);

    /// @notice The place of the member's banking days (UCP 600 articles 2 and 3), such as "HKHKG".
    function placeOf(bytes32 memberId) external view returns (bytes32 place);

    /// @notice The account that signs the member's trade acts; zero for an unknown member.
    function businessAccountOf(bytes32 memberId) external view returns (address account);

    /// @notice Number of validators n in force.
    function validatorCount() external view returns (uint256 count);

    /// @notice f = (n - 1) / 3, rounded down.
    function faultTolerance() external view returns (uint256 f);

    /// @notice True where the account may send transactions (protocol rule P-6).
    function isRegistered(address account) external view returns (bool);

    /// @notice True where the account may create contracts (protocol rule P-6).
    function mayDeploy(address account) external view returns (bool);

    /// @notice The validator set of a height, ascending (protocol rule P-12).
    function validatorsAt(uint256 height) external view returns (address[] memory validators);
}
