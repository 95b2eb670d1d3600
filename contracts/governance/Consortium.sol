// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GenesisInitializable} from "./GenesisInitializable.sol";
import {IConsortium} from "./IConsortium.sol";

/// @title The consortium: its members, who may send and deploy, and the validator set of every height
/// @notice Not upgradable (protocol rule P-12). Nodes read its storage directly, so the layout below is part of the protocol:
///
///     slot 0  epochLength L (uint64, lowest bits), activationDelay D (uint64), bankCount (uint32)
///     slot 1  bytes32[] member ids, in the order of admission
///     slot 2  mapping(bytes32 id => Member); a Member takes six words:
///             +0 name (string), +1 businessAccount (address), kind (uint8), active (bool)
///             +2 validator (address), bic (bytes11), +3 lei (bytes20), +4 place (bytes32), +5 encryptionKey (bytes32)
///     slot 3  mapping(address business account => bytes32 id)
///     slot 4  mapping(address validator => bytes32 id)
///     slot 5  mapping(address => uint256 roles): bit 0 may send, bit 1 may deploy
///     slot 6  ValidatorSet[]: +0 activationHeight (uint64), +1 address[] validators, ascending
///
/// Packed fields are listed from the lowest bits upwards, as Solidity lays them out.
contract Consortium is IConsortium, GenesisInitializable {
    enum Kind {
        Bank,
        Auditor,
        Regulator
    }

    struct Member {
        string name;
        address businessAccount;
        Kind kind;
        bool active;
        address validator;
        bytes11 bic;
        bytes20 lei;
        bytes32 place;
        bytes32 encryptionKey;
    }

    /// @notice What genesis says of one member. The encryption key is an X25519 public key.
    struct MemberRecord {
        bytes32 id;
        Kind kind;
        string name;
        bytes11 bic;
        bytes20 lei;
        bytes32 place;
        address businessAccount;
        address validator;
        bytes32 encryptionKey;
    }

    struct ValidatorSet {
        uint64 activationHeight;
        address[] validators;
    }

    event MemberAdmitted(bytes32 indexed memberId, Kind kind, address businessAccount, address validator);
    event AccountRegistered(address indexed account, uint256 roles);
    event ValidatorSetScheduled(uint64 indexed activationHeight, address[] validators);

    error EpochLengthZero();
    error ActivationDelayZero();
    error NoBank();
    error MemberIdTaken(bytes32 memberId);
    error MemberIdZero();
    error AddressTaken(bytes32 memberId, address account);
    error AddressZero(bytes32 memberId);
    /// @notice A bank has exactly one validator; an auditor and a regulator have none.
    error ValidatorMismatch(bytes32 memberId, Kind kind, address validator);
    error UnknownMember(bytes32 memberId);
    error IndexOutOfRange(uint256 index, uint256 length);

    uint256 internal constant ROLE_SENDER = 1;
    uint256 internal constant ROLE_DEPLOYER = 2;

    uint64 public epochLength;
    uint64 public activationDelay;
    /// @notice Number of active banks, each with one vote and one validator.
    uint32 public bankCount;
    bytes32[] private _memberIds;
    mapping(bytes32 memberId => Member) private _members;
    mapping(address account => bytes32 memberId) private _memberByBusinessAccount;
    mapping(address account => bytes32 memberId) private _memberByValidator;
    mapping(address account => uint256 roles) private _roles;
    ValidatorSet[] private _validatorSets;

    /// @notice Fills the register; called once, by genesis making.
    /// @param epochLength_ L: the validator set is constant within heights eL .. (e+1)L - 1 (P-12, P-13).
    /// @param activationDelay_ D: a change executed in height h enters at the first multiple of L that is >= h + D.
    /// @param members The founding members; every bank among them is a validator from height 0.
    /// @param developers Further accounts that may send and deploy (P-6).
    function initialize(
        uint64 epochLength_,
        uint64 activationDelay_,
        MemberRecord[] calldata members,
        address[] calldata developers
    ) external onlyGenesis initializer {
        if (epochLength_ == 0) revert EpochLengthZero();
        if (activationDelay_ == 0) revert ActivationDelayZero();
        epochLength = epochLength_;
        activationDelay = activationDelay_;
        for (uint256 i = 0; i < members.length; ++i) _admit(members[i]);
        for (uint256 i = 0; i < developers.length; ++i) {
            _claim(0, developers[i]);
            _register(developers[i], ROLE_SENDER | ROLE_DEPLOYER);
        }
        if (bankCount == 0) revert NoBank();
        _schedule(0);
    }

    /// @inheritdoc IConsortium
    function memberOf(address account) external view returns (bytes32 memberId) {
        return _memberByBusinessAccount[account];
    }

    /// @notice The bank whose validator this is; zero if there is none.
    function memberOfValidator(address validator) external view returns (bytes32 memberId) {
        return _memberByValidator[validator];
    }

    /// @inheritdoc IConsortium
    function isBank(bytes32 memberId) external view returns (bool) {
        return _isActiveBank(_members[memberId]);
    }

    /// @inheritdoc IConsortium
    function placeOf(bytes32 memberId) external view returns (bytes32 place) {
        return _members[memberId].place;
    }

    /// @inheritdoc IConsortium
    function businessAccountOf(bytes32 memberId) external view returns (address account) {
        return _members[memberId].businessAccount;
    }

    /// @notice Number of members ever admitted, inactive ones included.
    function memberCount() external view returns (uint256) {
        return _memberIds.length;
    }

    /// @notice The id of the index-th member in order of admission.
    function memberIdAt(uint256 index) external view returns (bytes32 memberId) {
        if (index >= _memberIds.length) revert IndexOutOfRange(index, _memberIds.length);
        return _memberIds[index];
    }

    /// @notice All that the register holds of a member.
    function member(bytes32 memberId) external view returns (Member memory) {
        Member storage found = _members[memberId];
        if (found.businessAccount == address(0)) revert UnknownMember(memberId);
        return found;
    }

    /// @inheritdoc IConsortium
    function isRegistered(address account) external view returns (bool) {
        return _roles[account] & ROLE_SENDER != 0;
    }

    /// @inheritdoc IConsortium
    function mayDeploy(address account) external view returns (bool) {
        return _roles[account] & ROLE_DEPLOYER != 0;
    }

    /// @inheritdoc IConsortium
    /// @dev Uses no block values, as P-12 demands: the same question has the same answer at every height of one state.
    function validatorsAt(uint256 height) external view returns (address[] memory validators) {
        return _setAt(height).validators;
    }

    /// @notice The height at which a change of the set, executed in a block of this height, enters (P-12).
    function activationHeightOf(uint256 executedHeight) public view returns (uint256) {
        uint256 length = epochLength;
        uint256 earliest = executedHeight + activationDelay;
        return ((earliest + length - 1) / length) * length;
    }

    /// @notice Number of validator sets in the history, scheduled ones included.
    function validatorSetCount() external view returns (uint256) {
        return _validatorSets.length;
    }

    /// @notice One entry of the history of validator sets.
    function validatorSetAt(uint256 index) external view returns (ValidatorSet memory) {
        if (index >= _validatorSets.length) revert IndexOutOfRange(index, _validatorSets.length);
        return _validatorSets[index];
    }

    /// @inheritdoc IConsortium
    function validatorCount() public view returns (uint256 count) {
        return _setAt(block.number).validators.length;
    }

    /// @inheritdoc IConsortium
    function faultTolerance() public view returns (uint256 f) {
        return (validatorCount() - 1) / 3;
    }

    /// @notice Q = ceil((n + f + 1) / 2), with n validators in force and f = (n - 1) / 3.
    function quorum() external view returns (uint256 q) {
        uint256 n = validatorCount();
        return (n + (n - 1) / 3 + 2) / 2;
    }

    function _admit(MemberRecord calldata record) private {
        bytes32 id = record.id;
        if (id == 0) revert MemberIdZero();
        if (_members[id].businessAccount != address(0)) revert MemberIdTaken(id);
        bool bank = record.kind == Kind.Bank;
        if (bank != (record.validator != address(0))) revert ValidatorMismatch(id, record.kind, record.validator);
        _claim(id, record.businessAccount);
        _memberByBusinessAccount[record.businessAccount] = id;
        _register(record.businessAccount, ROLE_SENDER);
        if (bank) {
            _claim(id, record.validator);
            _memberByValidator[record.validator] = id;
            bankCount += 1;
        }
        _memberIds.push(id);
        _members[id] = Member({
            name: record.name,
            businessAccount: record.businessAccount,
            kind: record.kind,
            active: true,
            validator: record.validator,
            bic: record.bic,
            lei: record.lei,
            place: record.place,
            encryptionKey: record.encryptionKey
        });
        emit MemberAdmitted(id, record.kind, record.businessAccount, record.validator);
    }

    /// @dev Keys are never shared between members or between uses; every business account and developer has a role.
    function _claim(bytes32 id, address account) private view {
        if (account == address(0)) revert AddressZero(id);
        if (_roles[account] != 0 || _memberByValidator[account] != 0) revert AddressTaken(id, account);
    }

    function _register(address account, uint256 roles) private {
        _roles[account] = roles;
        emit AccountRegistered(account, roles);
    }

    /// @dev The set of all active banks' validators enters at a height, which is an edge not below the last one scheduled.
    function _schedule(uint64 activationHeight) private {
        address[] memory validators = _activeValidators();
        uint256 length = _validatorSets.length;
        if (length != 0 && _validatorSets[length - 1].activationHeight == activationHeight) {
            _validatorSets[length - 1].validators = validators;
        } else {
            _validatorSets.push(ValidatorSet({activationHeight: activationHeight, validators: validators}));
        }
        emit ValidatorSetScheduled(activationHeight, validators);
    }

    /// @dev Ascending (P-12); insertion sort, for the banks of a consortium are few.
    function _activeValidators() private view returns (address[] memory sorted) {
        sorted = new address[](bankCount);
        uint256 filled = 0;
        for (uint256 i = 0; i < _memberIds.length; ++i) {
            Member storage candidate = _members[_memberIds[i]];
            if (!_isActiveBank(candidate)) continue;
            uint256 j = filled++;
            for (; j > 0 && sorted[j - 1] > candidate.validator; --j) sorted[j] = sorted[j - 1];
            sorted[j] = candidate.validator;
        }
    }

    function _isActiveBank(Member storage candidate) private view returns (bool) {
        return candidate.active && candidate.kind == Kind.Bank;
    }

    /// @dev The newest set whose activation height is not above the height asked for.
    function _setAt(uint256 height) private view returns (ValidatorSet storage) {
        uint256 i = _validatorSets.length;
        while (i > 1 && _validatorSets[i - 1].activationHeight > height) --i;
        return _validatorSets[i - 1];
    }
}
